import type { JsonValue } from "../base/json.ts";

const maxDepth = 64;

/**
 * The body as JSON.
 *
 * @returns undefined when it is not UTF-8, not JSON, or nested deeper than anything sensible, which
 *   could exhaust the stack of whatever walks it.
 */
export function parseJsonBody(body: Buffer): JsonValue | undefined {
  if (isDeep(body)) return undefined;
  try {
    return JSON.parse(decoder.decode(body)) as JsonValue;
  } catch {
    return undefined;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const [quote, backslash] = [0x22, 0x5c];
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);

function isDeep(body: Buffer): boolean {
  let depth = 0;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i] ?? 0;
    if (byte === quote) i = endOfString(body, i + 1);
    else if (opening.has(byte)) {
      if (++depth > maxDepth) return true;
    } else if (closing.has(byte)) depth--;
  }
  return false;
}

/** Index of the closing quote; the length when there is none. */
function endOfString(body: Buffer, start: number): number {
  let end = body.indexOf(quote, start);
  while (end !== -1) {
    let escapes = 0;
    while (body[end - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
    end = body.indexOf(quote, end + 1);
  }
  return body.length;
}
