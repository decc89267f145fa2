import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** Larger than any record; what is longer is no log of ours and is handed on in pieces. */
const maxLineBytes = 1_048_576;

/**
 * Reads a file line by line, whatever its size, in the memory of one piece.
 *
 * @param file `….gz` is decompressed.
 * @param onLine Gets each line without its line feed.
 * @returns What came after the last line feed.
 */
export async function readLines(file: string, onLine: (line: string) => void): Promise<string> {
  const plain = createReadStream(file, { highWaterMark: 262_144 });
  const source: Readable = file.endsWith(".gz") ? plain.pipe(createGunzip()) : plain;
  if (source !== plain) plain.once("error", (cause) => source.destroy(cause));
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of source as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      onLine(bytes.toString("utf8", start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > maxLineBytes) {
      onLine(rest.toString("utf8"));
      rest = Buffer.alloc(0);
    }
  }
  return rest.toString("utf8");
}
