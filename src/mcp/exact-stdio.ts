import { Transform, Writable, type Readable } from "node:stream";
import type { JsonValue } from "../base/json.ts";
import { carryArguments, linkArguments, restoreChunk } from "./exact.ts";

const lineFeed = 0x0a;
/** So many digits of a number may be more than a double holds; fewer never are. */
const longNumber = /\d[\d.]{15}/;

/**
 * Standard input as the SDK is to read it: it parses every line by itself, so long numbers of
 * arguments are carried before it sees them.
 *
 * @param maxBytes A longer line goes through in pieces; the SDK refuses it.
 */
export function carryInput(input: Readable, maxBytes: number): Readable {
  let pending: Buffer[] = [];
  let size = 0;
  const lines = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const end = chunk.lastIndexOf(lineFeed) + 1;
      if (end > 0) this.push(carryLines(Buffer.concat([...pending, chunk.subarray(0, end)])));
      else if (size + chunk.length > maxBytes) this.push(Buffer.concat(pending));
      else {
        pending.push(chunk);
        size += chunk.length;
        return done();
      }
      pending = [chunk.subarray(end)];
      size = chunk.length - end;
      return done();
    },
    flush(done) {
      done(null, Buffer.concat(pending));
    },
  });
  return input.pipe(lines);
}

function carryLines(lines: Buffer): Buffer | string {
  const text = lines.toString();
  return longNumber.test(text) ? text.split("\n").map(carryLine).join("\n") : lines;
}

function carryLine(line: string): string {
  if (!longNumber.test(line)) return line;
  try {
    const message = JSON.parse(line) as JsonValue;
    linkArguments(message, line);
    const carried = carryArguments(message);
    return carried === message ? line : JSON.stringify(carried);
  } catch {
    return line; // the SDK says what is wrong with it
  }
}

/** Standard output as the SDK is to write it. */
export function restoreOutput(output: Writable): Writable {
  const restored = new Writable({
    decodeStrings: false,
    write(chunk: unknown, _encoding, done) {
      output.write(restoreChunk(chunk), done);
    },
  });
  output.on("error", (error) => restored.destroy(error));
  return restored;
}
