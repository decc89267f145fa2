import type { JsonValue } from "../../base/json.ts";
import { parseExactly } from "../../base/exact-number.ts";
import type { Reshape } from "./reshape.ts";

/** JSON text that was proven, and what is known about it. */
export interface JsonText {
  /** Valid and compact: safe to splice into a message, and free of line ends. */
  readonly text: string;
  readonly kind: "object" | "array" | "scalar";
  /** Nested containers; 0 for a scalar. */
  readonly depth: number;
  /** What the API sent, for the few who need it: most answers are never parsed. */
  readonly parse: () => JsonValue | undefined;
}

const [quote, backslash, comma, colon, space] = [0x22, 0x5c, 0x2c, 0x3a, 0x20];
const [openArray, closeArray, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Proves that `text` is JSON and makes it compact. Nothing is parsed and printed again: numbers,
 * escapes, key order and repeated keys stay as the API wrote them.
 *
 * @returns undefined when it is not JSON (RFC 8259).
 */
export function readJson(text: string): JsonText | undefined {
  const depth = depthOfCompact(text);
  const parse = (): JsonValue | undefined => tryParse(text);
  if (depth !== undefined) return describe(repairEscapes(text), depth, parse);
  if (!isJson(text)) return undefined;
  const made = compact(text);
  return describe(repairEscapes(made), depthOfCompact(made) ?? 0, parse);
}

/**
 * The JSON that `reshape` makes of a text.
 *
 * @returns undefined when the text is not JSON. Throws what `reshape` throws.
 */
export function reshapeJson(text: string, reshape: Reshape): JsonText | undefined {
  const value = tryParse(text);
  if (value === undefined) return undefined;
  const made = repairEscapes(reshape(value));
  return describe(made, depthOfCompact(made) ?? 0, () => value);
}

function tryParse(text: string): JsonValue | undefined {
  try {
    return parseExactly(text);
  } catch {
    return undefined;
  }
}

function describe(text: string, depth: number, parse: JsonText["parse"]): JsonText {
  return { text, kind: kindOf(text), depth, parse };
}

/** Of compact JSON. */
function kindOf(text: string): JsonText["kind"] {
  const first = text.charCodeAt(0);
  return first === openObject ? "object" : first === openArray ? "array" : "scalar";
}

/** The parsed value is thrown away: what is not compact must be proven before it is made so. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** U+0000 to U+001F. */
const controls = /[^ -\uffff]/;

/**
 * Proves JSON without white space in one pass, cheaper than parsing: closing quotes are searched
 * natively, and nothing is built. `JSON.parse` is the oracle of its property test.
 *
 * @returns Nested containers; undefined for whatever is not JSON of this form.
 */
function depthOfCompact(json: string): number | undefined {
  if (controls.test(json)) return undefined;
  /** Of each open container: whether it is an object. */
  const open: boolean[] = [];
  const strings: Strings = { json, backslashAt: json.indexOf("\\") };
  let depth = 0;
  let at = 0;
  for (;;) {
    const code = json.charCodeAt(at);
    const inObject = code === openObject;
    if (inObject || code === openArray) {
      if (open.push(inObject) > depth) depth = open.length;
      if (json.charCodeAt(at + 1) !== closing(open)) {
        at = startOfValue(strings, at + 1, open);
        if (at === -1) return undefined;
        continue;
      }
      at++;
    } else {
      at = code === quote ? endOfString(strings, at) : endOfScalar(json, at);
    }
    while (open.length > 0 && json.charCodeAt(at) === closing(open)) {
      open.pop();
      at++;
    }
    if (open.length === 0) return at === json.length ? depth : undefined;
    at = json.charCodeAt(at) === comma ? startOfValue(strings, at + 1, open) : -1;
    if (at === -1) return undefined;
  }
}

function closing(open: readonly boolean[]): number {
  return open[open.length - 1] ? closeObject : closeArray;
}

/** In an object, behind a name and its colon. -1 when there is none. */
function startOfValue(strings: Strings, start: number, open: readonly boolean[]): number {
  if (!open[open.length - 1]) return start;
  const { json } = strings;
  const end = json.charCodeAt(start) === quote ? endOfString(strings, start) : -1;
  return end !== -1 && json.charCodeAt(end) === colon ? end + 1 : -1;
}

interface Strings {
  readonly json: string;
  /** Of the next backslash at or behind the place looked at last; -1 when there is none. */
  backslashAt: number;
}

/** Index behind the string opened at `start`; -1 when it is none. */
function endOfString(strings: Strings, start: number): number {
  const { json } = strings;
  const end = json.indexOf('"', start + 1);
  if (strings.backslashAt !== -1 && strings.backslashAt < start) {
    strings.backslashAt = json.indexOf("\\", start);
  }
  const { backslashAt } = strings;
  if (end === -1) return -1;
  return backslashAt === -1 || backslashAt > end ? end + 1 : endOfEscaped(json, backslashAt);
}

/** The same from the first escape of a string on. */
function endOfEscaped(json: string, start: number): number {
  for (let at = start; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code === backslash) {
      oneEscape.lastIndex = at;
      if (!oneEscape.test(json)) return -1;
      at = oneEscape.lastIndex - 1;
    }
  }
  return -1;
}

const oneEscape = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Index behind the number or literal at `start`; -1 when it is none. */
function endOfScalar(json: string, start: number): number {
  let at = start;
  let code = json.charCodeAt(at);
  if (code !== 0x30) while (code >= 0x30 && code <= 0x39) code = json.charCodeAt(++at);
  // Most numbers are whole; the grammar of the others is an expression's matter.
  if (at > start && (code === comma || code === closeObject || code === closeArray)) return at;
  scalar.lastIndex = start;
  return scalar.test(json) ? scalar.lastIndex : -1;
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
