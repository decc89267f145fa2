import type { JsonValue } from "../base/json.ts";
import { parseExactly, printExactly } from "./exact-number.ts";
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
  const scanned = scan(text);
  if (scanned === undefined) return undefined;
  const shown = repairEscapes(scanned.isCompact ? text : compact(text));
  return { ...describe(shown, scanned.depth), parse: () => tryParse(text) };
}

/**
 * The JSON that `reshape` makes of a text.
 *
 * @returns undefined when the text is not JSON. Throws what `reshape` throws, and RangeError.
 */
export function reshapeJson(text: string, reshape: Reshape): JsonText | undefined {
  const value = tryParse(text);
  if (value === undefined) return undefined;
  const made = repairEscapes(printExactly(reshape(value)));
  return { ...describe(made, scan(made)?.depth ?? 0), parse: () => value };
}

function tryParse(text: string): JsonValue | undefined {
  try {
    return parseExactly(text);
  } catch {
    return undefined;
  }
}

function describe(text: string, depth: number): Omit<JsonText, "parse"> {
  const first = text.charCodeAt(0);
  const kind = first === openObject ? "object" : first === openArray ? "array" : "scalar";
  return { text, kind, depth };
}

interface Scan {
  readonly isCompact: boolean;
  readonly depth: number;
}

/**
 * One pass over the grammar of RFC 8259, without building a value: cheaper than parsing,
 * and with nothing to throw away. `JSON.parse` is the oracle of its property test.
 */
function scan(json: string): Scan | undefined {
  /** Of each open container: whether it is an object. */
  const open: boolean[] = [];
  let depth = 0;
  let spaces = 0;
  /** -1: what was read is no JSON. */
  let at = 0;
  const skip = (): number => {
    let code = json.charCodeAt(at);
    while (code === space || code === 0x0a || code === 0x0d || code === 0x09) {
      spaces++;
      code = json.charCodeAt(++at);
    }
    return code;
  };
  const name = (): boolean => {
    at = skip() === quote ? endOfString(json, at) : -1;
    if (at !== -1) at = skip() === colon ? at + 1 : -1;
    return at !== -1;
  };
  /** Whether a value follows; else the container was empty. */
  const enter = (isObject: boolean): boolean => {
    if (open.push(isObject) > depth) depth = open.length;
    at++;
    if (skip() !== (isObject ? closeObject : closeArray)) return !isObject || name();
    open.pop();
    at++;
    return false;
  };
  /** Closes what closes behind a value. Whether another value follows. */
  const leave = (): boolean => {
    for (;;) {
      const next = skip();
      const inObject = open.at(-1);
      if (inObject === undefined) return false;
      at++;
      if (next === comma) return !inObject || name();
      if (next !== (inObject ? closeObject : closeArray)) {
        at = -1;
        return false;
      }
      open.pop();
    }
  };
  for (;;) {
    const code = skip();
    if (code === openObject || code === openArray) {
      if (enter(code === openObject)) continue;
    } else at = code === quote ? endOfString(json, at) : endOfScalar(json, at);
    if (at === -1) return undefined;
    if (leave()) continue;
    return at === json.length ? { isCompact: spaces === 0, depth } : undefined;
  }
}

/** Index behind the string opened at `start`; -1 when it is none. */
function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code < space) return -1;
    if (code === backslash) {
      const escaped = json.charCodeAt(++at);
      if (escaped === 0x75) {
        if (!hex4.test(json.slice(at + 1, at + 5))) return -1;
        at += 4;
      } else if (!isSimpleEscape(escaped)) return -1;
    }
  }
  return -1;
}

const hex4 = /^[\da-f]{4}$/i;

/** `"`, `\`, `/`, `b`, `f`, `n`, `r`, `t` */
function isSimpleEscape(code: number): boolean {
  return (
    code === quote ||
    code === backslash ||
    code === 0x2f ||
    code === 0x62 ||
    code === 0x66 ||
    code === 0x6e ||
    code === 0x72 ||
    code === 0x74
  );
}

const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Index behind the number or literal at `start`; -1 when it is none. */
function endOfScalar(json: string, start: number): number {
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
