import { isUtf8 } from "node:buffer";
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
 * Proves that bytes are JSON that can be passed on as it is: compact, every escape whole, no
 * surrogate among them. It builds no text.
 *
 * @param bytes UTF-8.
 * @returns undefined for any other bytes, good or bad; `JSON.parse` is the oracle of its test.
 */
export function proveJson(bytes: Buffer, maxDepth: number): JsonBytes | undefined {
  const escaped = escapeJson([bytes], maxDepth);
  return escaped && { bytes, escaped, isObject: bytes[0] === openObject };
}

/** The bytes of a body without a line end behind them; undefined when they are not UTF-8. */
export function utf8Of(body: Buffer): Buffer | undefined {
  let end = body.length;
  while (end > 0 && (body[end - 1] === 0x0a || body[end - 1] === 0x0d)) end--;
  const bytes = end === body.length ? body : body.subarray(0, end);
  return isUtf8(bytes) ? bytes : undefined;
}
