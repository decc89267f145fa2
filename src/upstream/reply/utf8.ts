import { isAscii } from "node:buffer";

/** Measures a text in UTF-8 by what it would be as a string, without making it one. */
export interface Utf8 {
  readonly bytes: Buffer;
  /** UTF-16 units between two indexes of characters. */
  readonly unitsOf: (start: number, end: number) => number;
  /** Whether there are no more than `units` of them. */
  readonly fits: (start: number, end: number, units: number) => boolean;
  /** The index behind as many whole characters from `start` on as have at most so many units. */
  readonly endOfUnits: (start: number, units: number) => number;
}

/** Of one unit. */
const maxBytes = 3;
/** Of four bytes: three are a character each, and the last one begins a pair of surrogates. */
const maxUnits = 5;

export function measureUtf8(bytes: Buffer): Utf8 {
  return isAscii(bytes) ? measureAscii(bytes) : measureWide(bytes);
}

function measureAscii(bytes: Buffer): Utf8 {
  return {
    bytes,
    unitsOf: (start, end) => end - start,
    fits: (start, end, units) => end - start <= units,
    endOfUnits: (start, units) => Math.min(bytes.length, start + Math.max(0, units)),
  };
}

/** Looks at four bytes together. */
function measureWide(bytes: Buffer): Utf8 {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  /** Bytes of all the text that are no unit of their own. */
  let spare: number | undefined;
  const unitsOf: Utf8["unitsOf"] = (start, end) => {
    let units = 0;
    let at = start;
    for (; at <= end - 4; at += 4) units += unitsIn(words.getInt32(at, true), 4);
    for (; at < end; at++) units += unitsIn(bytes[at]!, 1);
    return units;
  };
  const endOfUnits: Utf8["endOfUnits"] = (start, units) => {
    let left = units;
    let at = start;
    for (; left >= maxUnits && at <= bytes.length - 4; at += 4) {
      left -= unitsIn(words.getInt32(at, true), 4);
    }
    for (; at < bytes.length; at++) {
      left -= unitsIn(bytes[at]!, 1);
      if (left < 0) return at;
    }
    return at;
  };
  return {
    bytes,
    unitsOf,
    endOfUnits,
    fits(start, end, units) {
      const length = end - start;
      if (length <= units || length > units * maxBytes) return length <= units;
      spare ??= bytes.length - unitsOf(0, bytes.length);
      return length - spare <= units && endOfUnits(start, units) >= end;
    },
  };
}

/** The first byte of a character counts, that of a pair of surrogates twice. */
function unitsIn(word: number, bytes: number): number {
  return (word & 0x80808080) === 0 ? bytes : bytes - marked(followers(word)) + marked(pairs(word));
}

/** 10xxxxxx. Shifted left, a bit is in the highest of its own byte. */
function followers(word: number): number {
  return word & ~(word << 1) & 0x80808080;
}

/** 1111xxxx: the first of four bytes. */
function pairs(word: number): number {
  return word & (word << 1) & (word << 2) & (word << 3) & 0x80808080;
}

/** Of bytes that are 0 but for their highest bit, how many have that. */
function marked(word: number): number {
  return Math.imul(word >>> 7, 0x01010101) >>> 24;
}
