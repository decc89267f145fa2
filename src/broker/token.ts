import { randomUUID } from "node:crypto";
import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  type CryptoKey,
  type JWK,
} from "jose";
import type { JsonObject } from "../base/json.ts";

/** Lifetime of every access token, in seconds. */
export const accessTokenSeconds = 300;

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** With the private members, for oidc-provider, which publishes the public ones. */
  readonly privateJwk: JWK;
}

/** A key pair that lives as long as the process: a restart makes all earlier tokens worthless. */
export async function createSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, privateKey, publicKey, privateJwk: { ...jwk, kid, alg: "ES256", use: "sig" } };
}

export interface TokenContent {
  readonly sub: string;
  readonly audience: string;
  readonly clientId: string;
  readonly scope: string | undefined;
  readonly claims: JsonObject;
}

/** RFC 9068 §2. */
export function signAccessToken(
  content: TokenContent,
  {
    issuer,
    key,
    nowMs,
  }: { readonly issuer: string; readonly key: SigningKey; readonly nowMs: number },
): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1000);
  return new SignJWT({
    ...content.claims,
    client_id: content.clientId,
    ...(content.scope === undefined ? {} : { scope: content.scope }),
  })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.kid })
    .setIssuer(issuer)
    .setSubject(content.sub)
    .setAudience(content.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + accessTokenSeconds)
    .setJti(randomUUID())
    .sign(key.privateKey);
}

export interface VerifiedToken {
  readonly sub: string;
  readonly claims: JsonObject;
}

const registered = new Set(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope"]);

/**
 * One of our own access tokens, still valid and for one of `audiences`.
 *
 * @throws Error of jose when it is anything else.
 */
export async function verifyAccessToken(
  token: string,
  audiences: readonly string[],
  {
    issuer,
    key,
    nowMs,
  }: { readonly issuer: string; readonly key: SigningKey; readonly nowMs: number },
): Promise<VerifiedToken> {
  const { payload } = await jwtVerify(token, key.publicKey, {
    issuer,
    audience: [...audiences],
    typ: "at+jwt",
    algorithms: ["ES256"],
    currentDate: new Date(nowMs),
    requiredClaims: ["exp", "sub", "client_id"],
  });
  const claims = Object.entries(payload).filter(([name]) => !registered.has(name));
  return { sub: payload.sub ?? "", claims: Object.fromEntries(claims) as JsonObject };
}
