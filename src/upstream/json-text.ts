import { parseExactly } from "./exact-number.ts";
import type { Reshape } from "./reshape.ts";

/** JSON text that was proven, and what is known about it. */
export interface JsonText {
  /** Valid and compact: safe to splice into a message, and free of line ends. */
  readonly text: string;
  readonly kind: "object" | "array" | "scalar";
  /** Nested containers; 0 for a scalar. */
  readonly depth: number;
}

const quote = 0x22;
const space = 0x20;
const backslash = 0x5c;

/**
 * Proves that `text` is JSON and makes it compact. Nothing is parsed and printed again: numbers,
 * escapes, key order and repeated keys stay as the API wrote them.
 *
 * @returns undefined when it is not JSON (RFC 8259).
 */
export function readJson(text: string): JsonText | undefined {
  if (!isJson(text)) return undefined;
  const { isCompact, depth } = scan(text);
  return describe(repairEscapes(isCompact ? text : compact(text)), depth);
}

/**
 * The JSON that `reshape` makes of a text.
 *
 * @returns undefined when the text is not JSON. Throws what `reshape` throws, and RangeError.
 */
export function reshapeJson(text: string, reshape: Reshape): JsonText | undefined {
  const exact = tryParse(text);
  if (exact === undefined) return undefined;
  // Printing writes half a surrogate pair as its escape, so the same repair is needed.
  const made = repairEscapes(exact.print(reshape(exact.value)));
  return describe(made, scan(made).depth);
}

function tryParse(text: string): ReturnType<typeof parseExactly> | undefined {
  try {
    return parseExactly(text);
  } catch {
    return undefined;
  }
}

function describe(text: string, depth: number): JsonText {
  const first = text.charCodeAt(0);
  const kind = first === 0x7b ? "object" : first === 0x5b ? "array" : "scalar";
  return { text, kind, depth };
}

/** The parsed value is thrown away: the parser is native code and the strictest proof at hand. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function scan(json: string): { readonly isCompact: boolean; readonly depth: number } {
  let isCompact = true;
  let depth = 0;
  let open = 0;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === quote) i = closingQuote(json, i);
    else if (code <= space) isCompact = false;
    else if (code === 0x7b || code === 0x5b) depth = Math.max(depth, ++open);
    else if (code === 0x7d || code === 0x5d) open--;
  }
  return { isCompact, depth };
}

/** Works on bytes, in place: far cheaper than joining slices, and UTF-8 has no ASCII inside characters. */
function compact(json: string): string {
  const bytes = Buffer.from(json);
  let length = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === quote) inString = !inString;
    if (byte > space || inString) bytes[length++] = byte;
    // What follows a backslash is kept, and a quote there ends nothing.
    if (byte === backslash) bytes[length++] = bytes[++i] ?? 0;
  }
  return bytes.toString("utf8", 0, length);
}

/** Index of the quote that ends the string opened at `start`; the text must be proven JSON. */
export function closingQuote(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end;
}

function isEscaped(json: string, index: number): boolean {
  let before = index;
  while (json.charCodeAt(before - 1) === backslash) before--;
  return (index - before) % 2 === 1;
}

const escapes =
  /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F][\da-fA-F]{2})|[^])/g;

/**
 * Half of an escaped surrogate pair has no UTF-8 form, and strict readers refuse the whole message
 * for it (RFC 8259 §8.2): it becomes U+FFFD.
 */
function repairEscapes(json: string): string {
  if (!json.includes("\\ud") && !json.includes("\\uD")) return json;
  return json.replace(escapes, (escape, lone) => (lone === undefined ? escape : "\\ufffd"));
}
