import { compactVerify, importJWK, type CryptoKey, type JWK } from "jose";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { invalidToken } from "./refusal.ts";

/** One public key of an issuer that may sign access tokens. */
export interface VerificationKey {
  /** Key id, allowed algorithm and public members as one text: equal text, same key. */
  readonly identity: string;
  readonly kid: string | undefined;
  /** As a member of a JWK set, without private parts. */
  readonly published: JsonObject;
  /** Whether the key can verify this algorithm: type, curve and the key's own `alg` fit. */
  readonly fits: (alg: string) => boolean;
  /** @throws AuthError `bad_signature`. */
  readonly verify: (token: string, alg: string) => Promise<void>;
}

/** Key type and curve that each algorithm needs (RFC 7518 §3.1, RFC 8037, RFC 9864). No HMAC, no `none`. */
const algorithms: ReadonlyMap<string, { readonly kty: string; readonly crv?: string }> = new Map([
  ["RS256", { kty: "RSA" }],
  ["RS384", { kty: "RSA" }],
  ["RS512", { kty: "RSA" }],
  ["PS256", { kty: "RSA" }],
  ["PS384", { kty: "RSA" }],
  ["PS512", { kty: "RSA" }],
  ["ES256", { kty: "EC", crv: "P-256" }],
  ["ES384", { kty: "EC", crv: "P-384" }],
  ["ES512", { kty: "EC", crv: "P-521" }],
  ["EdDSA", { kty: "OKP", crv: "Ed25519" }],
  ["Ed25519", { kty: "OKP", crv: "Ed25519" }],
]);

/** RFC 7518 §3.3 demands 2048 bits; the upper bound keeps one verification cheap. */
const rsaBits = { min: 2048, max: 8192 };

/**
 * A member of a JWK set as a verification key. Private members, if an issuer publishes them by
 * mistake, are left behind.
 *
 * @returns A text says why the member is unfit; undefined: it is for something else.
 */
export function readKey(value: JsonValue): VerificationKey | string | undefined {
  if (!isJsonObject(value)) return "not an object";
  const { kid, alg, use, key_ops: operations } = value;
  if (kid !== undefined && typeof kid !== "string") return "kid is not a string";
  if (alg !== undefined && typeof alg !== "string") return "alg is not a string";
  if (use !== undefined && use !== "sig") return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify")))
    return undefined;
  const jwk = readPublicMembers(value);
  return typeof jwk === "string" ? jwk : createKey(kid, alg, jwk);
}

function createKey(kid: string | undefined, ownAlg: string | undefined, jwk: JWK): VerificationKey {
  const imported = new Map<string, Promise<CryptoKey>>();
  const importFor = (alg: string): Promise<CryptoKey> => {
    const known = imported.get(alg);
    if (known !== undefined) return known;
    // The public members hold no `oct` key, so the result is never raw bytes.
    const key = importJWK(jwk, alg) as Promise<CryptoKey>;
    imported.set(alg, key);
    return key;
  };
  return {
    identity: JSON.stringify([kid, ownAlg, jwk]),
    kid,
    published: { ...(jwk as JsonObject), ...(kid && { kid }), ...(ownAlg && { alg: ownAlg }) },
    fits(alg) {
      const needs = algorithms.get(alg);
      if (needs === undefined || needs.kty !== jwk.kty) return false;
      return (ownAlg === undefined || ownAlg === alg) && needs.crv === jwk.crv;
    },
    async verify(token, alg) {
      try {
        await compactVerify(token, await importFor(alg), { algorithms: [alg] });
      } catch (cause) {
        throw invalidToken("bad_signature", cause);
      }
    },
  };
}

function readPublicMembers(value: JsonObject): JWK | string {
  const { kty, crv, x, y, n, e } = value;
  if (kty === "RSA" && typeof n === "string" && typeof e === "string") {
    const bits = bitLength(n);
    if (bits < rsaBits.min || bits > rsaBits.max) return `RSA with ${bits} bits`;
    return { kty, n, e };
  }
  if (typeof crv !== "string" || typeof x !== "string") return "unsupported key type";
  if (kty === "EC" && typeof y === "string") return { kty, crv, x, y };
  return kty === "OKP" ? { kty, crv, x } : "unsupported key type";
}

function bitLength(base64url: string): number {
  const bytes = Buffer.from(base64url, "base64url");
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - (Math.clz32(bytes[first]!) - 24);
}
