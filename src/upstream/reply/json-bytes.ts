import { isUtf8 } from "node:buffer";
import { parseExactly } from "../../base/exact-number.ts";
import type { JsonValue } from "../../base/json.ts";

/** The bytes of a JSON text that was proven. */
export interface JsonBytes {
  /** Compact UTF-8, safe to splice into a message. */
  readonly bytes: Buffer;
  readonly isObject: boolean;
  /** Quotes and backslashes: what each of them takes more inside a JSON string. */
  readonly escapes: number;
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openArray, openObject] = [0x5b, 0x7b];
const [zero, nine, minus, plus, point, e] = [0x30, 0x39, 0x2d, 0x2b, 0x2e, 0x65];
const firstPrintable = 0x20;
/** Of a closing bracket, behind its opening one in ASCII. */
const toClosing = 2;

interface Cursor {
  readonly bytes: Buffer;
  at: number;
  escapes: number;
}

/**
 * Proves, in one pass over its bytes, that a body is JSON that can be passed on as it is: UTF-8,
 * compact (a line end behind it is cut off), every escape whole, no surrogate among them. It builds
 * no text, and costs half of what parsing does.
 *
 * @returns undefined for any other body, good or bad; `JSON.parse` is the oracle of its test.
 */
export function proveJson(body: Buffer, maxDepth: number): JsonBytes | undefined {
  const bytes = withoutLineEnd(body);
  if (!isUtf8(bytes)) return undefined;
  const cursor: Cursor = { bytes, at: 0, escapes: 0 };
  if (!skipValue(cursor, maxDepth) || cursor.at !== bytes.length) return undefined;
  return { bytes, isObject: bytes[0] === openObject, escapes: cursor.escapes };
}

function withoutLineEnd(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && (body[end - 1] === 0x0a || body[end - 1] === 0x0d)) end--;
  return end === body.length ? body : body.subarray(0, end);
}

/** One value and all that is in it. */
function skipValue(cursor: Cursor, maxDepth: number): boolean {
  const { bytes } = cursor;
  /** The opening bracket of each open container. */
  const open: number[] = [];
  for (;;) {
    const code = bytes[cursor.at] ?? 0;
    if (code === openObject || code === openArray) {
      if (open.push(code) > maxDepth) return false;
      cursor.at++;
      if (bytes[cursor.at] !== code + toClosing) {
        if (code === openObject && !skipName(cursor)) return false;
        continue;
      }
    } else if (!(code === quote ? skipString(cursor) : skipScalar(cursor))) return false;
    if (!closeContainers(cursor, open)) return true;
    if (bytes[cursor.at++] !== comma) return false;
    if (open[open.length - 1] === openObject && !skipName(cursor)) return false;
  }
}

/** Behind a value. @returns false when nothing is open any more. */
function closeContainers(cursor: Cursor, open: number[]): boolean {
  const { bytes } = cursor;
  while (open.length > 0) {
    if (bytes[cursor.at] !== (open[open.length - 1] ?? 0) + toClosing) return true;
    open.pop();
    cursor.at++;
  }
  return false;
}

/** A string and the colon behind it. */
function skipName(cursor: Cursor): boolean {
  return (
    cursor.bytes[cursor.at] === quote && skipString(cursor) && cursor.bytes[cursor.at++] === colon
  );
}

/** From the opening quote to behind the closing one. */
function skipString(cursor: Cursor): boolean {
  const { bytes } = cursor;
  let at = cursor.at + 1;
  for (;;) {
    while (isPlain[bytes[at]!] === 1) at++;
    if (bytes[at] === quote) {
      cursor.escapes += 2;
      cursor.at = at + 1;
      return true;
    }
    const end = bytes[at] === backslash ? endOfEscape(bytes, at) : -1;
    if (end === -1) return false;
    const escaped = bytes[at + 1];
    cursor.escapes += escaped === quote || escaped === backslash ? 2 : 1;
    at = end;
  }
}

/** Bytes of a string that need no look: all but quotes, backslashes and control characters. */
const isPlain = new Uint8Array(256).fill(1, firstPrintable);
isPlain[quote] = 0;
isPlain[backslash] = 0;

/** Index behind the escape at `start`; -1 for none, and for half a character or a pair of halves. */
function endOfEscape(bytes: Buffer, start: number): number {
  const code = bytes[start + 1] ?? 0;
  if (isSimpleEscape[code] === 1) return start + 2;
  if (code !== 0x75) return -1;
  for (let at = start + 2; at < start + 6; at++) if (!isHex(bytes[at] ?? 0)) return -1;
  const [first = 0, second = 0] = [bytes[start + 2], bytes[start + 3]];
  const isSurrogate = (first | 0x20) === 0x64 && second >= 0x38;
  return isSurrogate ? -1 : start + 6;
}

const isSimpleEscape = new Uint8Array(256);
for (const code of Buffer.from('"\\/bfnrt')) isSimpleEscape[code] = 1;

function isDigit(code: number): boolean {
  return code >= zero && code <= nine;
}

function isHex(code: number): boolean {
  const lower = code | 0x20;
  return isDigit(code) || (lower >= 0x61 && lower <= 0x66);
}

function skipScalar(cursor: Cursor): boolean {
  const { bytes, at } = cursor;
  const word = words.get(bytes[at] ?? 0);
  const end = word === undefined ? endOfNumber(bytes, at) : endOfWord(bytes, at, word);
  if (end === -1) return false;
  cursor.at = end;
  return true;
}

const words: ReadonlyMap<number, Buffer> = new Map(
  ["true", "false", "null"].map((word) => [word.charCodeAt(0), Buffer.from(word)]),
);

function endOfWord(bytes: Buffer, start: number, word: Buffer): number {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return -1;
  return start + word.length;
}

function endOfNumber(bytes: Buffer, start: number): number {
  let at = bytes[start] === minus ? start + 1 : start;
  at = bytes[at] === zero ? at + 1 : endOfDigits(bytes, at);
  if (at !== -1 && bytes[at] === point) at = endOfDigits(bytes, at + 1);
  if (at !== -1 && ((bytes[at] ?? 0) | 0x20) === e) {
    const sign = bytes[at + 1];
    at = endOfDigits(bytes, sign === plus || sign === minus ? at + 2 : at + 1);
  }
  return at;
}

/** -1 without any. */
function endOfDigits(bytes: Buffer, start: number): number {
  let at = start;
  while (isDigit(bytes[at] ?? 0)) at++;
  return at === start ? -1 : at;
}

export function parseProven({ bytes }: JsonBytes): JsonValue {
  return parseExactly(bytes.toString());
}

/**
 * Writes proven JSON as it stands inside a JSON string.
 *
 * @returns Index behind it in `target`.
 */
export function writeEscaped({ bytes }: JsonBytes, target: Buffer, start: number): number {
  let at = start;
  // Indexes: iterators of Buffers cost three times as much.
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i]!;
    if (code === quote || code === backslash) target[at++] = backslash;
    target[at++] = code;
  }
  return at;
}
