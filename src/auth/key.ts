import {
  constants,
  createPublicKey,
  type JsonWebKey,
  verify as verifySignature,
  type KeyObject,
  type SigningOptions,
} from "node:crypto";
import type { JWK } from "jose";
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
  /**
   * @param token In compact form, as `decodeJws` takes it: it has three parts of canonical base64url.
   * @param alg That its header names.
   * @throws AuthError `bad_signature`.
   */
  readonly verify: (token: string, alg: string) => void;
}

interface Algorithm extends SigningOptions {
  readonly kty: string;
  readonly crv?: string;
  /** undefined: the signature has its own. */
  readonly hash: string | undefined;
  readonly dsaEncoding?: "ieee-p1363";
}

const pss = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const;
const dsaEncoding = "ieee-p1363";

/** Key type and curve that each algorithm needs (RFC 7518 §3.1, RFC 8037, RFC 9864). No HMAC, no `none`. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ["RS256", { kty: "RSA", hash: "sha256" }],
  ["RS384", { kty: "RSA", hash: "sha384" }],
  ["RS512", { kty: "RSA", hash: "sha512" }],
  ["PS256", { kty: "RSA", hash: "sha256", ...pss }],
  ["PS384", { kty: "RSA", hash: "sha384", ...pss }],
  ["PS512", { kty: "RSA", hash: "sha512", ...pss }],
  ["ES256", { kty: "EC", crv: "P-256", hash: "sha256", dsaEncoding }],
  ["ES384", { kty: "EC", crv: "P-384", hash: "sha384", dsaEncoding }],
  ["ES512", { kty: "EC", crv: "P-521", hash: "sha512", dsaEncoding }],
  ["EdDSA", { kty: "OKP", crv: "Ed25519", hash: undefined }],
  ["Ed25519", { kty: "OKP", crv: "Ed25519", hash: undefined }],
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
  let imported: KeyObject | undefined;
  const algorithmOf = (alg: string): Algorithm | undefined => {
    const algorithm = algorithms.get(alg);
    if (algorithm?.kty !== jwk.kty || algorithm?.crv !== jwk.crv) return undefined;
    return ownAlg === undefined || ownAlg === alg ? algorithm : undefined;
  };
  return {
    identity: JSON.stringify([kid, ownAlg, jwk]),
    kid,
    published: { ...(jwk as JsonObject), ...(kid && { kid }), ...(ownAlg && { alg: ownAlg }) },
    fits: (alg) => algorithmOf(alg) !== undefined,
    // Here and now: half the CPU of the way through the thread pool, most of which is the way.
    verify(token, alg) {
      const algorithm = algorithmOf(alg);
      const end = token.lastIndexOf(".");
      const signature = Buffer.from(token.slice(end + 1), "base64url");
      let isGood = false;
      try {
        imported ??= createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
        if (algorithm) isGood = check(token.slice(0, end), signature, imported, algorithm);
      } catch (cause) {
        throw invalidToken("bad_signature", cause);
      }
      if (!isGood) throw invalidToken("bad_signature");
    },
  };
}

function check(
  signed: string,
  signature: Buffer,
  key: KeyObject,
  { hash, ...options }: Algorithm,
): boolean {
  return verifySignature(hash, Buffer.from(signed), { key, ...options }, signature);
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
