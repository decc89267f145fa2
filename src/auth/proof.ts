import { calculateJwkThumbprint, compactVerify, EmbeddedJWK, type JWK } from "jose";
import { AuthError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Replays } from "./replays.ts";

/** Signature algorithms of proofs, as challenges name them. */
export const proofAlgorithms: readonly string[] = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];

/** A request as the caller must have signed it. */
interface ProvenRequest {
  readonly method: string;
  /** SHA-256 of the token, base64url: what `ath` must say. */
  readonly tokenHash: string;
  /** Thumbprint of the key that the token is bound to. */
  readonly jkt: string;
  /** Whose token it is. */
  readonly holder: string;
}

/**
 * @throws AuthError `invalid_dpop_proof`; `temporarily_unavailable` while nobody could tell whether it
 *   was shown before.
 */
export type CheckProof = (proofs: readonly string[], request: ProvenRequest) => Promise<void>;

const maxProofBytes = 8 * 1024;
const maxSkewS = 60;
/** Longer than a proof can be good, whose `iat` may be as far ahead as it may be behind. */
const replayMs = 2 * maxSkewS * 1000 + 1_000;

/** @param resource The endpoint's URL, which `htu` must name; never what `Host` says. */
export function createCheckProof(resource: string, replays: Replays, ports: Ports): CheckProof {
  const htu = withoutQuery(resource);
  return async (proofs, { method, tokenHash, jkt, holder }) => {
    const { claims, jwk } = await open(onlyOne(proofs));
    const { htm, htu: url, iat, jti, ath } = claims;
    if (htm !== method) throw refused("wrong_method");
    if (typeof url !== "string" || withoutQuery(url) !== htu) throw refused("wrong_url");
    if (typeof iat !== "number" || !(Math.abs(ports.now() / 1000 - iat) <= maxSkewS))
      throw refused("proof_time");
    if (ath !== tokenHash) throw refused("wrong_token");
    if ((await calculateJwkThumbprint(jwk)) !== jkt) throw refused("wrong_key");
    if (typeof jti !== "string" || jti === "" || jti.length > 256) throw refused("proof_id");
    const shown = { id: `${jkt} ${jti}`, holder };
    const showing = await replays.add(shown, ports.now() + replayMs);
    if (showing === "again") throw refused("replayed_proof");
    if (showing === "full") throw new AuthError("temporarily_unavailable", "too_many_proofs");
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
