import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** Larger than any record; what is longer is no log of ours and is handed on in pieces. */
const maxLineBytes = 1_048_576;

/**
 * Reads a file line by line, whatever its size, in the memory of one piece.
 *
 * @param file `….gz` is decompressed.
 * @param onLine Gets each line without its line feed.
 * @param needle Only lines with these bytes are handed on: the others are never made text of.
 * @returns What came after the last line feed.
 */
export async function readLines(
  file: string,
  onLine: (line: string) => void,
  needle?: string,
): Promise<string> {
  const source = await openPieces(file, maxLineBytes);
  const scan = needle === undefined ? scanAll : scanFor(Buffer.from(needle));
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of source as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = bytes.lastIndexOf(10) + 1;
    scan(bytes.subarray(0, end), onLine);
    rest = bytes.subarray(end);
    if (rest.length > maxLineBytes) {
      onLine(rest.toString("utf8"));
      rest = Buffer.alloc(0);
    }
  }
  return rest.toString("utf8");
}

/** Without its line feed; the empty string when there is none. */
export async function firstLine(file: string): Promise<string> {
  const source = await openPieces(file, 65_536);
  let text = "";
  for await (const piece of source as AsyncIterable<Buffer>) {
    text += piece.toString("latin1");
    const end = text.indexOf("\n");
    if (end >= 0) return Buffer.from(text.slice(0, end), "latin1").toString("utf8");
    if (text.length > maxLineBytes) break;
  }
  return "";
}

/** A full file may be compressed between being found and being read: its lines then are in `….gz`. */
async function openPieces(file: string, highWaterMark: number): Promise<Readable> {
  let name = file;
  const handle = await open(file).catch((error: unknown) => {
    name = `${file}.gz`;
    return open(name).catch(() => {
      throw error;
    });
  });
  const plain = handle.createReadStream({ highWaterMark });
  if (!name.endsWith(".gz")) return plain;
  const source = plain.pipe(createGunzip());
  plain.once("error", (cause) => source.destroy(cause));
  source.once("close", () => plain.destroy());
  return source;
}

function scanAll(bytes: Buffer, onLine: (line: string) => void): void {
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    onLine(bytes.toString("utf8", start, end));
    start = end + 1;
  }
}

/** From one line that has it to the next: most of a log is passed over at the speed of memory. */
function scanFor(needle: Buffer): typeof scanAll {
  return (bytes, onLine) => {
    for (let at = bytes.indexOf(needle); at >= 0;) {
      const end = bytes.indexOf(10, at);
      onLine(bytes.toString("utf8", bytes.lastIndexOf(10, at) + 1, end));
      at = bytes.indexOf(needle, end);
    }
  };
}
