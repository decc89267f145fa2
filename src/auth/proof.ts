import { calculateJwkThumbprint, compactVerify, EmbeddedJWK, type JWK } from "jose";
import { createCache } from "../base/cache.ts";
import { AuthError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";

/** Signature algorithms of proofs, as challenges name them. */
export const proofAlgorithms: readonly string[] = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];

/** Proofs that were accepted; outlives a reload, or one could be shown again after it. */
export interface Replays {
  /** @returns Whether this is the first time. */
  readonly add: (key: string, expiresAt: number) => boolean | Promise<boolean>;
}

/** In the memory of this process. */
export function createReplays(maxEntries: number, now: () => number): Replays {
  const seen = createCache<true>(maxEntries, now);
  return {
    add(key, expiresAt) {
      if (seen.get(key)) return false;
      seen.set(key, true, expiresAt);
      return true;
    },
  };
}

/** A request as the caller must have signed it. */
interface ProvenRequest {
  readonly method: string;
  /** SHA-256 of the token, base64url: what `ath` must say. */
  readonly tokenHash: string;
  /** Thumbprint of the key that the token is bound to. */
  readonly jkt: string;
}

/** @throws AuthError `invalid_dpop_proof` */
export type CheckProof = (proofs: readonly string[], request: ProvenRequest) => Promise<void>;

const maxProofBytes = 8 * 1024;
const maxSkewS = 60;
/** Longer than a proof can be good, whose `iat` may be as far ahead as it may be behind. */
const replayMs = 2 * maxSkewS * 1000 + 1_000;

/** @param resource The endpoint's URL, which `htu` must name; never what `Host` says. */
export function createCheckProof(resource: string, replays: Replays, ports: Ports): CheckProof {
  const htu = withoutQuery(resource);
  return async (proofs, { method, tokenHash, jkt }) => {
    const { claims, jwk } = await open(onlyOne(proofs));
    const { htm, htu: url, iat, jti, ath } = claims;
    if (htm !== method) throw refused("wrong_method");
    if (typeof url !== "string" || withoutQuery(url) !== htu) throw refused("wrong_url");
    if (typeof iat !== "number" || !(Math.abs(ports.now() / 1000 - iat) <= maxSkewS))
      throw refused("proof_time");
    if (ath !== tokenHash) throw refused("wrong_token");
    if ((await calculateJwkThumbprint(jwk)) !== jkt) throw refused("wrong_key");
    if (typeof jti !== "string" || jti === "" || jti.length > 256) throw refused("proof_id");
    const key = `${jkt} ${jti}`;
    if (!(await replays.add(key, ports.now() + replayMs))) throw refused("replayed_proof");
  };
}

function onlyOne([proof = "", ...more]: readonly string[]): string {
  if (proof === "" || more.length > 0 || proof.length > maxProofBytes) throw refused("one_proof");
  return proof;
}

/** RFC 9449 §4.3: its own public key in the header, and a signature by it. */
async function open(proof: string): Promise<{ readonly claims: JsonObject; readonly jwk: JWK }> {
  try {
    const { payload, protectedHeader } = await compactVerify(proof, EmbeddedJWK, {
      algorithms: [...proofAlgorithms],
    });
    const { typ, jwk } = protectedHeader;
    const claims: unknown = JSON.parse(Buffer.from(payload).toString("utf8"));
    if (typ !== "dpop+jwt" || jwk === undefined || !isJsonObject(claims) || isPrivate(jwk))
      throw refused("malformed_proof");
    return { claims, jwk };
  } catch (cause) {
    if (cause instanceof AuthError) throw cause;
    throw refused("malformed_proof", cause);
  }
}

function isPrivate(jwk: JWK): boolean {
  return ["d", "p", "q", "dp", "dq", "qi", "k"].some((name) => Object.hasOwn(jwk, name));
}

function withoutQuery(url: string): string {
  if (!URL.canParse(url)) return "";
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** Why a proof is not accepted. The log and the audit read it. */
type ProofReason =
  | "malformed_proof"
  | "one_proof"
  | "proof_id"
  | "proof_time"
  | "replayed_proof"
  | "wrong_key"
  | "wrong_method"
  | "wrong_token"
  | "wrong_url";

function refused(reason: ProofReason, cause?: unknown): AuthError {
  return new AuthError("invalid_dpop_proof", reason, cause === undefined ? undefined : { cause });
}
