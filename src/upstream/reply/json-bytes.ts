import { escapeJson } from "./json-scan.ts";

/** A JSON text that was proven. */
export interface JsonBytes {
  /** Compact UTF-8, safe to splice into a message; undefined: it is made of a longer answer. */
  readonly bytes: Buffer | undefined;
  /** It as it stands inside a JSON string; pieces to be joined, a character for each byte. */
  readonly escaped: readonly string[];
  readonly isObject: boolean;
}

const openObject = 0x7b;

/**
 * Proves that bytes are JSON that can be passed on as it is: UTF-8, compact, every escape whole, no
 * surrogate among them. It builds no text.
 *
 * @returns undefined for any other bytes, good or bad; `JSON.parse` is the oracle of its test.
 */
export function proveJson(bytes: Buffer, maxDepth: number): JsonBytes | undefined {
  const escaped = escapeJson([bytes], maxDepth);
  return escaped && { bytes, escaped, isObject: bytes[0] === openObject };
}

/** What is no part of the text, and many servers send. */
export function withoutLineEnd(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && (body[end - 1] === 0x0a || body[end - 1] === 0x0d)) end--;
  return end === body.length ? body : body.subarray(0, end);
}
