import { isUtf8 } from "node:buffer";
import { parseExactly } from "../../base/exact-number.ts";
import type { JsonValue } from "../../base/json.ts";
import { escapeJson } from "./json-scan.ts";

/** The bytes of a JSON text that was proven. */
export interface JsonBytes {
  /** Compact UTF-8, safe to splice into a message. */
  readonly bytes: Buffer;
  /** The same as it stands inside a JSON string; pieces to be joined. */
  readonly escaped: readonly Buffer[];
  readonly isObject: boolean;
}

const openObject = 0x7b;

/**
 * Proves that a body is JSON that can be passed on as it is: UTF-8, compact (a line end behind it is
 * cut off), every escape whole, no surrogate among them. It builds no text.
 *
 * @returns undefined for any other body, good or bad; `JSON.parse` is the oracle of its test.
 */
export function proveJson(body: Buffer, maxDepth: number): JsonBytes | undefined {
  const bytes = withoutLineEnd(body);
  const escaped = isUtf8(bytes) ? escapeJson(bytes, maxDepth) : undefined;
  return escaped && { bytes, escaped, isObject: bytes[0] === openObject };
}

function withoutLineEnd(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && (body[end - 1] === 0x0a || body[end - 1] === 0x0d)) end--;
  return end === body.length ? body : body.subarray(0, end);
}

export function parseProven({ bytes }: JsonBytes): JsonValue {
  return parseExactly(bytes.toString());
}
