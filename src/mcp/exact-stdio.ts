import { Transform, Writable, type Readable } from "node:stream";
import type { JsonValue } from "../base/json.ts";
import { carryArguments, linkArguments, restoreChunk } from "./exact.ts";

const lineFeed = 0x0a;
/** So many digits of a number may be more than a double holds; fewer never are. */
const longNumber = /\d[\d.]{15}/;

/**
 * Standard input as the SDK is to read it: it parses every line by itself, so long numbers of
 * arguments are carried before it sees them. It passes over a line that is no JSON without a word.
 *
 * @param maxBytes A longer line goes through in pieces; the SDK refuses it.
 * @param onNoJson Told of each line that is none.
 */
export function carryInput(input: Readable, maxBytes: number, onNoJson: () => void): Readable {
  let pending: Buffer[] = [];
  let size = 0;
  const carry = (line: string): string => {
    const carried = carryLine(line);
    if (carried === undefined) onNoJson();
    return carried ?? line;
  };
  const carried = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const end = chunk.lastIndexOf(lineFeed) + 1;
      if (end > 0) {
        const lines = Buffer.concat([...pending, chunk.subarray(0, end)]).toString();
        this.push(lines.split("\n").map(carry).join("\n"));
      } else if (size + chunk.length > maxBytes) this.push(Buffer.concat(pending));
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
  return input.pipe(carried);
}

/** undefined: it is no JSON. */
function carryLine(line: string): string | undefined {
  if (blank.test(line)) return line;
  const message = parse(line);
  if (message === undefined) return undefined;
  if (!longNumber.test(line)) return line;
  linkArguments(message, line);
  const carried = carryArguments(message);
  return carried === message ? line : JSON.stringify(carried);
}

const blank = /^\s*$/;

function parse(line: string): JsonValue | undefined {
  try {
    return JSON.parse(line) as JsonValue;
  } catch {
    return undefined;
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
