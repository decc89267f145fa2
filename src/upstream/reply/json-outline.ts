/** A long array or object: the index behind it, and how many items or members it has. */
interface Extent {
  readonly end: number;
  readonly items: number;
}

/** By where they begin. */
export type Outline = ReadonlyMap<number, Extent>;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openArray, closeArray, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/** To read what is shorter costs less than to remember it. */
const longBytes = 4_096;

/** @param bytes Proven JSON. */
export function outlineOf(bytes: Buffer, maxDepth: number): Outline {
  const outline = new Map<number, Extent>();
  const starts = new Uint32Array(maxDepth + 1);
  const items = new Uint32Array(maxDepth + 1);
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes[at]!;
    if (code === quote) at = endOfString(bytes, at + 1);
    else if (code === comma) items[depth]!++;
    else if (code === openArray || code === openObject) {
      starts[++depth] = at;
      items[depth] = 1;
    } else if (code === closeArray || code === closeObject) {
      const start = starts[depth] ?? 0;
      const end = at + 1;
      if (end - start > longBytes) outline.set(start, { end, items: items[depth] ?? 0 });
      depth--;
    }
  }
  return outline;
}

/** Index of the closing quote. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
