import { isUtf8 } from "node:buffer";
import { beforeFirst, zerosOf } from "./byte-marks.ts";
import {
  cutEscaped,
  cutEscapedJson,
  isBracket,
  lengthOf,
  nest,
  type JsonPlace,
} from "./cut-escaped.ts";
import { measureUtf8 } from "./utf8.ts";

/** The text of a body, piece by piece, as it stands inside a JSON string. */
export interface EscapedText {
  /** Made of a piece of the body. */
  readonly push: (chunk: Buffer) => Buffer;
  /** What was left: half a character. */
  readonly end: () => Buffer;
  /** UTF-16 units so far. */
  readonly chars: () => number;
  /** The text is longer than it may be, and has ended. */
  readonly isCut: () => boolean;
}

export interface EscapedTextOptions {
  /** Of JSON, white space between its tokens is left out; of text, what drives a terminal. */
  readonly isJson: boolean;
  /** UTF-16 units. */
  readonly maxChars: number;
  /** Gives a Buffer of at least so many bytes. */
  readonly allocate: (bytes: number) => Buffer;
}

/** Where the text of one body stands. */
interface Place {
  /** Of JSON: as in `JsonPlace`. */
  inString: boolean;
  escapedAt: number;
  closing: number[] | undefined;
  /** UTF-16 units that were left out. */
  dropped: number;
}

/**
 * What the buffered way makes of the same bytes (UTF-8, malformed bytes become U+FFFD, a byte order
 * mark is removed), but for JSON: what is none is not noticed here, and half of an escaped pair of
 * surrogates stays as it is, an escape inside of a string.
 */
export function createEscapedText({ isJson, maxChars, allocate }: EscapedTextOptions): EscapedText {
  const write = isJson ? writeJson : writeText;
  const place: Place = { inString: false, escapedAt: -1, closing: [], dropped: 0 };
  let left = maxChars;
  let isCut = false;
  let isFirst = true;
  /** The beginning of a character whose end has not come. */
  let half: Buffer = nothing;

  /** The mark is a character in front of all others, however its bytes come. */
  const withoutMark = (pieces: readonly Buffer[]): readonly Buffer[] => {
    if (!isFirst) return pieces;
    const [first, ...others] = pieces.filter(({ length }) => length > 0);
    if (first === undefined) return [];
    isFirst = false;
    return hasMark(first) ? [first.subarray(3), ...others] : [first, ...others];
  };
  /** @param pieces Each of whole characters. */
  const escape = (pieces: readonly Buffer[]): Buffer => {
    if (isCut) return nothing;
    const whole = withoutMark(pieces).map(wellFormed);
    const size = whole.reduce((sum, { length }) => sum + length, 0);
    if (size === 0) return nothing;
    const target = allocate(2 * size);
    const before = isJson && size > left ? copyOf(place) : undefined;
    let end = 0;
    let chars = 0;
    place.dropped = 0;
    for (const piece of whole) {
      end = write(piece, target, end, place);
      chars += measureUtf8(piece).unitsOf(0, piece.length);
    }
    const kept = chars - place.dropped;
    if (kept <= left) {
      left -= kept;
      return target.subarray(0, end);
    }
    isCut = true;
    const escaped = target.subarray(0, end);
    const cut = before ? cutEscapedJson(escaped, left, before) : cutEscaped(escaped, left);
    left -= cut.chars;
    return cut.bytes;
  };
  return {
    push(body) {
      const joint = half.length === 0 ? 0 : continuationsOf(body);
      const first = joint === 0 ? half : Buffer.concat([half, body.subarray(0, joint)]);
      const rest = body.subarray(joint);
      if (rest.length === 0) {
        half = tailOf(first);
        return escape([first.subarray(0, first.length - half.length)]);
      }
      // Copied: it must not keep the whole chunk.
      half = Buffer.from(tailOf(rest));
      const pieces = [rest.subarray(0, rest.length - half.length)];
      return escape(first.length === 0 ? pieces : [first, ...pieces]);
    },
    end() {
      const last = half;
      half = nothing;
      return last.length === 0 ? last : escape([last]);
    },
    chars: () => maxChars - left,
    isCut: () => isCut,
  };
}

function copyOf(place: Place): JsonPlace {
  return { ...place, closing: place.closing && [...place.closing] };
}

const nothing = Buffer.alloc(0);
const [quote, backslash, space, firstC1Lead] = [0x22, 0x5c, 0x20, 0xc2];

/** The letter behind the backslash. */
const letters = new Uint8Array(256);
for (const char of '"\\') letters[char.charCodeAt(0)] = char.charCodeAt(0);
letters[0x09] = 0x74;
letters[0x0a] = 0x6e;
letters[0x0d] = 0x72;

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** A quote or a backslash. */
const isSpecial = new Uint8Array(256);
isSpecial[quote] = 1;
isSpecial[backslash] = 1;

/** And brackets. */
const isMark: Uint8Array = isBracket.map((mark, code) => mark | isSpecial[code]!);

/** The high bits of bytes that JSON escapes, and of controls that have no place in a string. */
function marksOf(word: number): number {
  const controls = (word - 0x20202020) & ~word;
  return (controls | zerosOf(word ^ 0x22222222) | zerosOf(word ^ 0x5c5c5c5c)) & 0x80808080;
}

/** DEL too, and C2, with which U+0080 to U+009F begin. */
function textMarksOf(word: number): number {
  const more = zerosOf(word ^ 0x7f7f7f7f) | zerosOf(word ^ 0xc2c2c2c2);
  return marksOf(word) | (more & 0x80808080);
}

function writeText(bytes: Buffer, target: Buffer, start: number, place: Place): number {
  const [read, written] = [viewOf(bytes), viewOf(target)];
  const last = bytes.length - 4;
  let [from, to] = [0, start];
  while (from < bytes.length) {
    if (from <= last) {
      const word = read.getInt32(from, true);
      // All four, though some may have to move: what follows them is written later.
      written.setInt32(to, word, true);
      const plain = beforeFirst(textMarksOf(word));
      from += plain;
      to += plain;
      if (plain === 4) continue;
    }
    const code = bytes[from++]!;
    if (letters[code] !== 0) {
      target[to++] = backslash;
      target[to++] = letters[code]!;
    } else if (isControl(code, bytes[from])) {
      place.dropped++;
      if (code === firstC1Lead) from++;
    } else {
      target[to++] = code;
    }
  }
  return to;
}

/** As `stripControls`; what has a letter stays. */
function isControl(code: number, next: number | undefined): boolean {
  return code < space || code === 0x7f || (code === firstC1Lead && next! < 0xa0);
}

/** Control characters, which JSON does not have in its strings, are left out too. */
function writeJson(bytes: Buffer, target: Buffer, start: number, place: Place): number {
  const [read, written] = [viewOf(bytes), viewOf(target)];
  const last = bytes.length - 4;
  let { inString, escapedAt, dropped } = place;
  let [from, to] = [0, start];
  while (from < bytes.length) {
    while (!inString && from < bytes.length) {
      const code = bytes[from++]!;
      if (code > space) {
        if (isMark[code] === 1) to = writeBefore(code, target, to, place);
        target[to++] = code;
        inString = code === quote;
      } else dropped++;
    }
    while (inString && from < bytes.length) {
      if (from <= last) {
        const word = read.getInt32(from, true);
        // As in `writeText`.
        written.setInt32(to, word, true);
        const plain = beforeFirst(marksOf(word));
        from += plain;
        to += plain;
        if (plain === 4) continue;
      }
      const code = bytes[from++]!;
      if (isSpecial[code] === 1) {
        target[to++] = backslash;
        target[to++] = code;
        if (from - 1 !== escapedAt) {
          if (code === quote) inString = false;
          else escapedAt = from;
        }
      } else if (code >= space) target[to++] = code;
      else dropped++;
    }
  }
  place.inString = inString;
  place.escapedAt = escapedAt === bytes.length ? 0 : -1;
  place.dropped = dropped;
  return to;
}

/** What a mark outside of strings takes in front of it. */
function writeBefore(mark: number, target: Buffer, at: number, place: Place): number {
  if (isBracket[mark] === 1) {
    place.closing = nest(place.closing, mark);
    return at;
  }
  target[at] = backslash;
  return at + 1;
}

function hasMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function wellFormed(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString());
}

function isContinuation(code: number): boolean {
  return (code & 0xc0) === 0x80;
}

/** The beginning of a character at the end of `bytes`. */
function tailOf(bytes: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const code = bytes[bytes.length - back]!;
    if (isContinuation(code)) continue;
    return lengthOf(code) > back ? bytes.subarray(bytes.length - back) : nothing;
  }
  return nothing;
}

/** How many bytes at the front may belong to a character that began before. */
function continuationsOf(bytes: Buffer): number {
  let count = 0;
  while (count < 3 && count < bytes.length && isContinuation(bytes[count]!)) count++;
  return count;
}
