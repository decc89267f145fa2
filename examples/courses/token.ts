import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload } from "jose";
import { Problem } from "./problem.ts";

export interface TokenTrust {
  /** Compared byte for byte with `iss`. */
  readonly issuer: string;
  readonly jwksUrl: string;
  /** The one value of `aud`. */
  readonly audience: string;
}

export interface Caller {
  readonly sub: string;
  readonly scopes: ReadonlySet<string>;
}

/**
 * Believes an `Authorization` header or throws.
 *
 * @throws Problem `missing-token` or `invalid-token` (401), `keys-unavailable` (503).
 */
export type CheckToken = (authorization: string | undefined) => Promise<Caller>;

/** Accepts RFC 9068 access tokens that were issued for this API and nothing else. */
export function createTokenCheck(trust: TokenTrust): CheckToken {
  const keys = createRemoteJWKSet(new URL(trust.jwksUrl), { timeoutDuration: 5000 });
  return async (authorization) => {
    const token = /^bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) {
      // RFC 6750 §3.1: no error code for a request that brings no token.
      throw new Problem("missing-token", "Send an access token: Authorization: Bearer …", {
        challenge: 'Bearer realm="courses"',
      });
    }
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: trust.issuer,
        audience: trust.audience,
        typ: "at+jwt",
        algorithms: ["ES256", "ES384", "EdDSA", "PS256", "RS256"],
        requiredClaims: ["sub", "iat", "exp"],
      });
      return readCaller(payload);
    } catch (cause) {
      throw refusal(cause);
    }
  };
}

/** @throws Problem `insufficient-scope` (403) that names the scope (RFC 6750 §3.1). */
export function requireScope(caller: Caller, scope: string): void {
  if (caller.scopes.has(scope)) return;
  throw new Problem("insufficient-scope", `The access token needs the scope ${scope}.`, {
    challenge: `Bearer realm="courses", error="insufficient_scope", scope="${scope}"`,
  });
}

function readCaller({ aud, sub = "", scope }: JWTPayload): Caller {
  // A token for several APIs could be replayed here by any of them.
  if (Array.isArray(aud) && aud.length !== 1) throw invalid("it is for more than one audience");
  if (sub === "") throw invalid("it names no subject");
  const scopes = typeof scope === "string" ? scope.split(" ") : [];
  return { sub, scopes: new Set(scopes) };
}

function refusal(cause: unknown): Problem {
  if (cause instanceof Problem) return cause;
  if (!isTokenFault(cause)) {
    return new Problem("keys-unavailable", "The issuer's keys cannot be read. Try again later.", {
      cause,
    });
  }
  if (cause instanceof errors.JWTExpired) return invalid("it has expired", cause);
  if (cause instanceof errors.JWTClaimValidationFailed) {
    return invalid(`its "${cause.claim}" is not what this API accepts`, cause);
  }
  return invalid("it is malformed or not signed by the issuer", cause);
}

/** false: the key set could not be fetched or read, which says nothing about the token. */
function isTokenFault(cause: unknown): boolean {
  return (
    cause instanceof errors.JOSEError &&
    !(cause instanceof errors.JWKSTimeout) &&
    !(cause instanceof errors.JWKSInvalid) &&
    cause.code !== "ERR_JOSE_GENERIC"
  );
}

function invalid(reason: string, cause?: unknown): Problem {
  return new Problem("invalid-token", `The access token is refused: ${reason}.`, {
    cause,
    challenge: `Bearer realm="courses", error="invalid_token"`,
  });
}
