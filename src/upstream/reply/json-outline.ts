import { beforeFirst, zerosOf } from "./byte-marks.ts";

/** A long array or object: the index behind it, and how many items or members it has. */
interface Extent {
  readonly end: number;
  readonly items: number;
}

/** By where they begin. */
export type Outline = ReadonlyMap<number, Extent>;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openArray, closeArray, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/** What a byte outside of strings means here; 0 for all others. */
const [stringStart, separator, opening, closing] = [1, 2, 3, 4];
const meaning = new Uint8Array(256);
meaning[quote] = stringStart;
meaning[comma] = separator;
for (const code of [openArray, openObject]) meaning[code] = opening;
for (const code of [closeArray, closeObject]) meaning[code] = closing;

/** To read what is shorter costs less than to remember it. */
const longBytes = 4_096;

/** @param bytes Proven JSON. */
export function outlineOf(bytes: Buffer, maxDepth: number): Outline {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const outline = new Map<number, Extent>();
  const starts = new Uint32Array(maxDepth + 1);
  const items = new Uint32Array(maxDepth + 1);
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const means = meaning[bytes[at]!];
    if (means === 0) continue;
    if (means === stringStart) at = endOfString(bytes, words, at + 1);
    else if (means === separator) items[depth]!++;
    else if (means === opening) {
      starts[++depth] = at;
      items[depth] = 1;
    } else {
      const start = starts[depth] ?? 0;
      const end = at + 1;
      if (end - start > longBytes) outline.set(start, { end, items: items[depth] ?? 0 });
      depth--;
    }
  }
  return outline;
}

/** Index of the closing quote: four bytes are looked at together. */
function endOfString(bytes: Buffer, words: DataView, start: number): number {
  const last = bytes.length - 4;
  let at = start;
  while (at <= last) {
    const plain = beforeFirst(marksOf(words.getInt32(at, true)));
    at += plain;
    if (plain === 4) continue;
    if (bytes[at] === quote) return at;
    at += 2;
  }
  while (bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}

/** The high bits of quotes and backslashes. */
function marksOf(word: number): number {
  return (zerosOf(word ^ 0x22222222) | zerosOf(word ^ 0x5c5c5c5c)) & 0x80808080;
}
