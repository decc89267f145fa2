import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";

import type { Secret } from "./secret.ts";

/** Encrypts and authenticates (AES-256-GCM), each text for one place only. */
export interface Sealer {
  /** @param place What it is and where it belongs: it opens nowhere else. */
  readonly seal: (text: Uint8Array, place: string) => Buffer;
  /** undefined: changed, of another place, or sealed with a key that is not known. */
  readonly open: (sealed: Uint8Array, place: string) => Buffer | undefined;
  /** Whether it was sealed with the first key: else sealing it again lets an old key go. */
  readonly isCurrent: (sealed: Uint8Array) => boolean;
}

/** RFC 5116 §5.2. */
const algorithm = "aes-256-gcm";
const version = 1;
const idBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + idBytes + nonceBytes;
const keyBytes = 32;

/** A key in a configuration: 32 bytes as base64, base64url or hex; undefined for anything else. */
export function readSealKey(text: string): Buffer | undefined {
  const trimmed = text.trim();
  const key = /^[0-9a-f]{64}$/i.test(trimmed)
    ? Buffer.from(trimmed, "hex")
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)
      ? Buffer.from(trimmed, "base64")
      : undefined;
  return key?.length === keyBytes ? key : undefined;
}

/**
 * @param keys The first seals, all open: to change keys, put the new one first and keep the old one
 *   until nothing is sealed with it. Empty: one that lives as long as the process.
 * @param purpose Two purposes never share a key.
 */
export function createSealer(keys: readonly Secret[], purpose: string): Sealer {
  const secrets = keys.flatMap((key) => readSealKey(key.reveal()) ?? []);
  const known = (secrets.length === 0 ? [randomBytes(keyBytes)] : secrets).map((secret) => {
    const key = Buffer.from(hkdfSync("sha256", secret, "", `tollgate ${purpose}`, keyBytes));
    return { key, id: createHash("sha256").update(key).digest().subarray(0, idBytes) };
  });
  const [current] = known as [(typeof known)[number], ...typeof known];
  const idOf = (sealed: Uint8Array): Buffer => Buffer.from(sealed.subarray(1, 1 + idBytes));
  return {
    seal(text, place) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, current.key, nonce);
      cipher.setAAD(Buffer.from(place));
      const body = Buffer.concat([cipher.update(text), cipher.final()]);
      return Buffer.concat([Buffer.of(version), current.id, nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, place) {
      if (sealed[0] !== version || sealed.length < headBytes + tagBytes) return undefined;
      const id = idOf(sealed);
      const found = known.find((one) => one.id.equals(id));
      if (found === undefined) return undefined;
      const nonce = sealed.subarray(1 + idBytes, headBytes);
      const decipher = createDecipheriv(algorithm, found.key, nonce);
      decipher.setAAD(Buffer.from(place));
      decipher.setAuthTag(sealed.subarray(headBytes, headBytes + tagBytes));
      try {
        const body = sealed.subarray(headBytes + tagBytes);
        return Buffer.concat([decipher.update(body), decipher.final()]);
      } catch {
        return undefined;
      }
    },
    isCurrent: (sealed) => idOf(sealed).equals(current.id),
  };
}
