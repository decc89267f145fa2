import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from "node:crypto";
import type { Secret } from "../base/secret.ts";

/** Signs the bytes of a checkpoint up to its signature. */
export type SignCheckpoint = (text: string) => string;

const separator = ',"sig":"';

/**
 * `text` and its Ed25519 signature as the last member of one JSON object.
 *
 * @param text The object without its closing brace.
 */
export function createSigner(pem: Secret): SignCheckpoint {
  const key = createPrivateKey(pem.reveal());
  const id = keyId(createPublicKey(key));
  return (text) => {
    const named = `${text},"key":"${id}"`;
    return `${named}${separator}${sign(undefined, Buffer.from(named), key).toString("base64url")}"`;
  };
}

/** Tells keys apart: half of the SHA-256 of the public key. */
function keyId(key: KeyObject): string {
  return hash("sha256", key.export({ type: "spki", format: "der" }), "hex").slice(0, 32);
}

/** @param line A whole record, with or without its line feed. */
export function isSignedBy(line: string, key: KeyObject): boolean {
  const at = line.lastIndexOf(separator);
  if (at < 0) return false;
  const rest = /^,"sig":"([\w-]{86})"\}\n?$/.exec(line.slice(at));
  const signature = Buffer.from(rest?.[1] ?? "", "base64url");
  // The last character has bits to spare: other spellings of the same bytes are edits too.
  if (signature.toString("base64url") !== rest?.[1]) return false;
  return verify(undefined, Buffer.from(line.slice(0, at)), key, signature);
}
