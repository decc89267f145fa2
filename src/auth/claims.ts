import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import { AuthError } from "../base/errors.ts";
import type { ClaimRule } from "./claim.ts";
import type { Jws } from "./jws.ts";
import { isTextList, type Mapping } from "./mapping.ts";
import { invalidToken } from "./refusal.ts";

/** What an issuer's tokens must say to be for one endpoint. */
export interface ClaimRules {
  readonly typ: IssuerConfig["typ"];
  /** What `tid` must say; undefined: it is not looked at. */
  readonly tenant: string | undefined;
  /** Accepted `aud` values, compared byte for byte; undefined: any or none. */
  readonly audience: ReadonlySet<string> | undefined;
  readonly exclusive: boolean;
  /** Said to the log when a token has no `aud` at all. */
  readonly audienceHint: string | undefined;
  readonly clockSkewMs: number;
  readonly maxLifetimeMs: number;
  readonly mapping: Mapping;
  /** What tokens may be bound to, because its possession is then proven on each request. */
  readonly bindings: Bindings;
  readonly isMachine: ClaimRule;
  readonly allowMachine: boolean;
  /** Further claims, whose absence is no fault of the token but of its holder. */
  readonly isEntitled: ClaimRule;
}

/** What a token says once its signature and every rule hold. */
export interface Subject {
  readonly sub: string;
  readonly name: string | undefined;
  readonly clientId: string | undefined;
  readonly scopes: ReadonlySet<string>;
  readonly roles: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Judges a token whose signature is good (RFC 9068 §4, RFC 7519 §4.1). The first broken rule names
 * the refusal.
 *
 * @throws AuthError `invalid_token`; `access_denied` when only a rule of `require` is broken.
 */
export function checkClaims(jws: Jws, rules: ClaimRules, nowMs: number): Subject {
  const { claims } = jws;
  checkType(jws, rules.typ);
  if (rules.tenant !== undefined && claims["tid"] !== rules.tenant)
    throw invalidToken("wrong_tenant");
  checkAudience(claims["aud"], rules);
  const expiresAt = checkTimes(claims, nowMs / 1000, rules);
  const sub = claims["sub"];
  if (typeof sub !== "string" || sub === "") throw invalidToken("invalid_subject");
  const clientId = rules.mapping.client(claims);
  if (!rules.allowMachine && (sub === clientId || rules.isMachine(claims)))
    throw invalidToken("machine_token");
  const scopes = rules.mapping.scopes(claims);
  checkBinding(claims, rules.bindings);
  if (!rules.isEntitled(claims)) throw new AuthError("access_denied", "claim_rule");
  const { name, roles } = rules.mapping;
  return {
    sub,
    name: name(claims),
    clientId,
    scopes,
    roles: Object.freeze([...roles(claims)]),
    expiresAt,
  };
}

interface Bindings {
  /** A key, by DPoP (RFC 9449 §6.1). */
  readonly key: boolean;
  /** A certificate, by mutual TLS (RFC 8705 §3.1). */
  readonly certificate: boolean;
}

/** What a token is bound to, by their SHA-256 thumbprints. */
export interface Binding {
  readonly jkt: string | undefined;
  readonly certificate: string | undefined;
}

/** Of a token that passed `checkClaims`. */
export function bindingIn({ cnf }: JsonObject): Binding {
  const { jkt, "x5t#S256": certificate }: JsonObject = isJsonObject(cnf) ? cnf : {};
  return {
    jkt: typeof jkt === "string" ? jkt : undefined,
    certificate: typeof certificate === "string" ? certificate : undefined,
  };
}

/** Bound (RFC 7800) to something that nobody asks for here: stolen, it would be as good. */
function checkBinding({ cnf }: JsonObject, allowed: Bindings): void {
  if (cnf === undefined) return;
  const members = isJsonObject(cnf) ? Object.entries(cnf) : [];
  const isProven = ([name, value]: readonly [string, JsonValue]): boolean => {
    if (typeof value !== "string" || value === "") return false;
    return name === "jkt" ? allowed.key : name === "x5t#S256" && allowed.certificate;
  };
  if (members.length === 0 || !members.every(isProven)) throw invalidToken("sender_constrained");
}

/** Header types of tokens that are signed by the same keys and are not access tokens. */
const otherTypes: ReadonlySet<string> = new Set([
  "id_token+jwt",
  "logout+jwt",
  "dpop+jwt",
  "oauth-id-jag+jwt",
  "secevent+jwt",
]);

/** Claims that only an ID token carries (OpenID Connect Core §2, §3.3.2.11; FAPI `s_hash`). */
const idTokenClaims = ["nonce", "at_hash", "c_hash", "s_hash"];

function checkType({ typ, claims }: Jws, required: ClaimRules["typ"]): void {
  // RFC 7515 §4.1.9: a media type without regard to case, `application/` may be left out.
  const type = typ?.toLowerCase().replace(/^application\//, "");
  const use = claims["token_use"];
  const payloadType = claims["typ"];
  const refused =
    required === "at+jwt"
      ? type !== "at+jwt"
      : (type !== undefined && otherTypes.has(type)) ||
        idTokenClaims.some((name) => claims[name] !== undefined) ||
        // Cognito's and Keycloak's own words for what a token is.
        (use !== undefined && use !== "access") ||
        (payloadType !== undefined && payloadType !== "Bearer" && payloadType !== "DPoP");
  if (refused) throw invalidToken("not_an_access_token");
}

const slashHint = "aud differs from an accepted audience by its trailing slash only";

function checkAudience(
  aud: JsonValue | undefined,
  { audience: accepted, exclusive, audienceHint }: ClaimRules,
): void {
  if (accepted === undefined) return;
  const values: unknown = typeof aud === "string" ? [aud] : aud;
  if (!isTextList(values))
    throw invalidToken(
      "wrong_audience",
      aud === undefined && audienceHint !== undefined ? new Error(audienceHint) : undefined,
    );
  if (values.some((value) => accepted.has(value))) {
    if (exclusive && !values.every((value) => accepted.has(value)))
      throw invalidToken("shared_audience");
    return;
  }
  // The commonest mistake of all. Still refused, but the log may tell.
  const near = values.some((value) =>
    accepted.has(value.replace(/\/?$/, (end) => (end ? "" : "/"))),
  );
  throw invalidToken("wrong_audience", near ? new Error(slashHint) : undefined);
}

/** Returns `exp` in milliseconds. `now` and all claims are seconds. */
function checkTimes(claims: JsonObject, now: number, rules: ClaimRules): number {
  const skew = rules.clockSkewMs / 1000;
  const { exp, nbf = now, iat } = claims;
  if (!isTime(exp)) throw invalidToken("invalid_expiry");
  if (!isTime(nbf) || (iat !== undefined && !isTime(iat))) throw invalidToken("invalid_time");
  if (exp + skew <= now) throw invalidToken("expired");
  if (nbf - skew > now) throw invalidToken("not_yet_valid");
  if (iat !== undefined && iat - skew > now) throw invalidToken("issued_in_future");
  if ((exp - (iat ?? now)) * 1000 > rules.maxLifetimeMs) throw invalidToken("lifetime_too_long");
  return exp * 1000;
}

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
