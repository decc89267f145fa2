import { isUtf8 } from "node:buffer";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import { linkArguments } from "../mcp/exact.ts";

const maxDepth = 64;
/** Of all objects together: more only make hash tables slow. */
const maxMembers = 10_000;

/**
 * The body as JSON. Arguments of a call with numbers that JavaScript cannot hold have an exact form.
 *
 * @returns undefined when it is not UTF-8, not JSON, or JSON that different readers read
 *   differently or cannot read at all: a name twice in one object, half a surrogate pair, a number
 *   that is infinite to JavaScript (and null once it is printed), or nested deeper or with more names
 *   than anything sensible, which could exhaust the stack or the time of whatever walks it.
 */
export function parseJsonBody(body: Buffer): JsonValue | undefined {
  const seen = look(body);
  if (seen === undefined || seen.members > maxMembers) return undefined;
  if (seen.hasNonAscii && !isUtf8(body)) return undefined;
  const text = body.toString();
  try {
    const value = JSON.parse(text) as JsonValue;
    if (countKept(value, seen.hasSurrogate) !== seen.members) return undefined;
    if (seen.hasLongNumber) linkArguments(value, text);
    return value;
  } catch {
    return undefined;
  }
}

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];
const [openArray, openObject, closeArray, closeObject] = [0x5b, 0x7b, 0x5d, 0x7d];
const [zero, nine, point, letterU, letterD] = [0x30, 0x39, 0x2e, 0x75, 0x64];
const toLowerCase = 0x20;

/** Bytes inside a string that need no look. */
const isPlain = new Uint8Array(256).fill(1, 0, 0x80);
isPlain[quote] = 0;
isPlain[backslash] = 0;

/** So many characters of a number may be more than a double holds. */
const longNumber = 16;

interface Seen {
  /** Colons outside strings: one for each member of an object. */
  members: number;
  hasLongNumber: boolean;
  /** In strings; anywhere else it is no JSON. */
  hasNonAscii: boolean;
  /** Whether an escape may be half of a pair. */
  hasSurrogate: boolean;
}

/**
 * One pass over the bytes, cheaper than over the text: of what is no ASCII only that it is there matters.
 *
 * @returns undefined when nested too deep.
 */
function look(body: Buffer): Seen | undefined {
  const seen: Seen = { members: 0, hasLongNumber: false, hasNonAscii: false, hasSurrogate: false };
  let depth = 0;
  for (let i = 0; i < body.length; i++) {
    const code = body[i]!;
    if (code === quote) i = endOfString(body, i + 1, seen);
    else if (code === colon) seen.members++;
    else if (code >= zero && code <= nine) {
      const end = endOfNumber(body, i);
      if (end - i >= longNumber) seen.hasLongNumber = true;
      i = end - 1;
    } else if (code === openArray || code === openObject) {
      if (++depth > maxDepth) return undefined;
    } else if (code === closeArray || code === closeObject) depth--;
  }
  return seen;
}

/** Index behind the digits and the point. */
function endOfNumber(body: Buffer, start: number): number {
  let at = start + 1;
  for (; at < body.length; at++) {
    const code = body[at]!;
    if ((code < zero || code > nine) && code !== point) break;
  }
  return at;
}

/** Index of the closing quote; the length, or one more, when there is none. */
function endOfString(body: Buffer, start: number, seen: Seen): number {
  let at = start;
  for (;;) {
    while (isPlain[body[at]!] === 1) at++;
    if (body[at]! >= 0x80) {
      seen.hasNonAscii = true;
      // More of the same most often.
      while (body[at]! >= 0x80) at++;
      continue;
    }
    if (body[at] !== backslash) return at;
    const isSurrogate = body[at + 1] === letterU && ((body[at + 2] ?? 0) | toLowerCase) === letterD;
    if (isSurrogate) seen.hasSurrogate = true;
    at += 2;
  }
}

/** Members that parsing left: fewer than were written when a name came twice. */
function countKept(value: JsonValue, strict: boolean): number {
  if (typeof value === "string") {
    if (strict && loneSurrogate.test(value)) throw new TypeError("lone surrogate");
    return 0;
  }
  if (value === Infinity || value === -Infinity) throw new TypeError("infinite number");
  if (typeof value !== "object" || value === null) return 0;
  let kept = 0;
  if (!isJsonObject(value)) {
    for (const item of value) kept += countKept(item, strict);
    return kept;
  }
  for (const name in value) {
    kept += 1 + countKept(value[name] ?? null, strict);
    if (strict) countKept(name, strict);
  }
  return kept;
}

const loneSurrogate = /\p{Surrogate}/u;
