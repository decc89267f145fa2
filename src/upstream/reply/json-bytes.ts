import { isUtf8 } from "node:buffer";
import { parseExactly } from "../../base/exact-number.ts";
import type { JsonValue } from "../../base/json.ts";
import type { Survey } from "./json-outline.ts";

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

interface Proof {
  readonly bytes: Buffer;
  /** The same bytes: strings are looked through four at a time. */
  readonly words: DataView;
  readonly survey: Survey | undefined;
  escapes: number;
}

/**
 * Proves, in one pass over its bytes, that a body is JSON that can be passed on as it is: UTF-8,
 * compact (a line end behind it is cut off), every escape whole, no surrogate among them. It builds
 * no text, and costs half of what parsing does.
 *
 * @param survey Draws the outline of what has to be shortened.
 * @returns undefined for any other body, good or bad; `JSON.parse` is the oracle of its test.
 */
export function proveJson(body: Buffer, maxDepth: number, survey?: Survey): JsonBytes | undefined {
  const bytes = withoutLineEnd(body);
  if (!isUtf8(bytes)) return undefined;
  const proof: Proof = { bytes, words: wordsOf(bytes), survey, escapes: 0 };
  if (endOfValue(proof, maxDepth) !== bytes.length) return undefined;
  return { bytes, isObject: bytes[0] === openObject, escapes: proof.escapes };
}

function wordsOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function withoutLineEnd(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && (body[end - 1] === 0x0a || body[end - 1] === 0x0d)) end--;
  return end === body.length ? body : body.subarray(0, end);
}

/** Index behind the first value and all that is in it; -1 for none, and for one too deep. */
function endOfValue(proof: Proof, maxDepth: number): number {
  const { bytes, survey } = proof;
  /** The opening bracket of each open container, behind the 0 of none. */
  const open: number[] = [0];
  let inside = 0;
  let isName = false;
  let at = 0;
  // No byte is at -1, so from there everything ends at -1 again.
  for (;;) {
    const code = bytes[at];
    if (code === quote) {
      at = endOfString(proof, at);
      if (isName) {
        if (bytes[at++] !== colon) return -1;
        isName = false;
        continue;
      }
    } else if (isName) {
      return -1;
    } else if (code !== openObject && code !== openArray) {
      at = endOfScalar(bytes, at);
    } else {
      if (open.push(code) > maxDepth + 1) return -1;
      inside = code;
      survey?.enter(at);
      at++;
      if (bytes[at] !== code + toClosing) {
        isName = code === openObject;
        continue;
      }
    }
    at = endOfClosed(proof, at, open);
    inside = open[open.length - 1] ?? 0;
    if (inside === 0) return at;
    if (bytes[at++] !== comma) return -1;
    survey?.next();
    isName = inside === openObject;
  }
}

/** Index behind the containers that end at `start`. */
function endOfClosed({ bytes, survey }: Proof, start: number, open: number[]): number {
  let at = start;
  while (open.length > 1 && bytes[at] === (open[open.length - 1] ?? 0) + toClosing) {
    open.pop();
    at++;
    survey?.leave(at);
  }
  return at;
}

/** Index behind the string whose quote is at `start`; -1 when it is none. */
function endOfString(proof: Proof, start: number): number {
  const { bytes } = proof;
  let at = start + 1;
  for (;;) {
    at = endOfPlain(proof, at);
    if (bytes[at] === quote) {
      proof.escapes += 2;
      return at + 1;
    }
    const end = bytes[at] === backslash ? endOfEscape(bytes, at) : -1;
    if (end === -1) return -1;
    const escaped = bytes[at + 1];
    proof.escapes += escaped === quote || escaped === backslash ? 2 : 1;
    at = end;
  }
}

/** Index of the first quote, backslash or control character from `start` on, or the length. */
function endOfPlain({ bytes, words }: Proof, start: number): number {
  let at = start;
  for (const last = bytes.length - 4; at <= last; at += 4) {
    const word = words.getInt32(at, true);
    const marks = escapesOf(word) | controlsOf(word);
    if (marks !== 0) return at + firstOf(marks);
  }
  while (at < bytes.length && isPlain[bytes[at]!] === 1) at++;
  return at;
}

/**
 * Of four bytes, the highest bit of each that is a quote or a backslash. Only the lowest of these
 * bits is sure: a subtraction borrows from the byte above.
 */
function escapesOf(word: number): number {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  const low = ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes);
  return low & 0x80808080;
}

/** The same of control characters. */
function controlsOf(word: number): number {
  return (word - 0x20202020) & ~word & 0x80808080;
}

/** Which of the four bytes is the first marked one. */
function firstOf(marks: number): number {
  return (31 - Math.clz32(marks & -marks)) >> 3;
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

/** Index behind a number or a word; -1 for anything else. */
function endOfScalar(bytes: Buffer, start: number): number {
  const code = bytes[start] ?? 0;
  // Numbers first: a look-up costs as much as reading one.
  if (code <= nine) return endOfNumber(bytes, start);
  const word = words.get(code);
  return word === undefined ? -1 : endOfWord(bytes, start, word);
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
 * @param target Has room for `bytes` and `escapes`.
 * @returns Index behind it in `target`.
 */
export function writeEscaped({ bytes }: JsonBytes, target: Buffer, start: number): number {
  const [read, written] = [wordsOf(bytes), wordsOf(target)];
  const last = bytes.length - 4;
  let from = 0;
  let to = start;
  while (from <= last) {
    const word = read.getInt32(from, true);
    // All four, though some of them may have to move: what follows them is written later.
    written.setInt32(to, word, true);
    const marks = escapesOf(word);
    if (marks === 0) {
      from += 4;
      to += 4;
    } else {
      const plain = firstOf(marks);
      written.setUint16(to + plain, backslash | (bytes[from + plain]! << 8), true);
      from += plain + 1;
      to += plain + 2;
    }
  }
  // Indexes: iterators of Buffers cost three times as much.
  for (; from < bytes.length; from++) {
    const code = bytes[from]!;
    if (code === quote || code === backslash) target[to++] = backslash;
    target[to++] = code;
  }
  return to;
}
