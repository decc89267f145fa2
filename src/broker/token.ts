import { randomUUID } from "node:crypto";
import { decodeProtectedHeader, jwtVerify, SignJWT, type JWTPayload } from "jose";
import type { JsonObject } from "../base/json.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** Lifetime of every access token, in seconds. */
export const accessTokenSeconds = 300;

export interface TokenContent {
  readonly sub: string;
  readonly audience: string;
  readonly clientId: string;
  readonly scope: string | undefined;
  readonly claims: JsonObject;
}

export interface TokenIssuer {
  readonly issuer: string;
  readonly keys: SigningKeys;
  readonly nowMs: number;
}

/** RFC 9068 §2. */
export function signAccessToken(
  content: TokenContent,
  { issuer, keys, nowMs }: TokenIssuer,
): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1000);
  return new SignJWT({
    ...content.claims,
    client_id: content.clientId,
    ...(content.scope === undefined ? {} : { scope: content.scope }),
  })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: keys.current.kid })
    .setIssuer(issuer)
    .setSubject(content.sub)
    .setAudience(content.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + accessTokenSeconds)
    .setJti(randomUUID())
    .sign(keys.current.privateKey);
}

export interface VerifiedToken {
  readonly sub: string;
  readonly clientId: string;
  readonly scope: string | undefined;
  /** Its audience, its times and the like are all in here. */
  readonly payload: JWTPayload;
  /** What it says about the person. */
  readonly claims: JsonObject;
}

/** Claims about the token and not about the person; `sid` is our grant, `cnf` the client's key. */
const registered = new Set(
  ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"].concat("client_id", "scope", "sid", "cnf"),
);

/**
 * One of our own access tokens, still valid and for one of `audiences`.
 *
 * @throws Error of jose when it is anything else.
 */
export async function verifyAccessToken(
  token: string,
  audiences: readonly string[],
  { issuer, keys, nowMs }: TokenIssuer,
): Promise<VerifiedToken> {
  const { kid } = decodeProtectedHeader(token);
  const key = keys.all.find((one) => one.kid === kid) ?? keys.current;
  const { payload } = await jwtVerify(token, key.publicKey, {
    issuer,
    audience: [...audiences],
    typ: "at+jwt",
    algorithms: ["ES256"],
    currentDate: new Date(nowMs),
    requiredClaims: ["exp", "sub", "client_id"],
  });
  const claims = Object.entries(payload).filter(([name]) => !registered.has(name));
  const { sub = "", client_id: clientId, scope } = payload;
  return {
    sub,
    clientId: String(clientId),
    scope: typeof scope === "string" ? scope : undefined,
    payload,
    claims: Object.fromEntries(claims) as JsonObject,
  };
}
