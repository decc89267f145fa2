import { jsonScanBinary } from "./json-scan-binary.ts";

/** What assembly/json-scan.ts exports. */
interface Scanner {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly inputAt: () => number;
  readonly outputAt: () => number;
  readonly blockBytes: () => number;
  readonly begin: (maxDepth: number) => void;
  readonly scan: (length: number) => number;
  readonly isWhole: () => number;
}

const scanner = instantiate();
const memory = Buffer.from(scanner.memory.buffer);
const [input, output, blockBytes] = [scanner.inputAt(), scanner.outputAt(), scanner.blockBytes()];

function instantiate(): Scanner {
  const module = new WebAssembly.Module(Buffer.from(jsonScanBinary, "base64"));
  return new WebAssembly.Instance(module).exports as Scanner;
}

/**
 * Proves that bytes, which must be UTF-8, are one compact JSON text without escaped surrogates, in
 * one pass that costs a third of what parsing does.
 *
 * @returns The same as it stands inside a JSON string, in pieces; undefined for any other bytes.
 */
export function escapeJson(bytes: Buffer, maxDepth: number): readonly Buffer[] | undefined {
  const pieces: Buffer[] = [];
  scanner.begin(maxDepth);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.length <= blockBytes ? bytes : bytes.subarray(at, at + blockBytes);
    memory.set(block, input);
    const written = scanner.scan(block.length);
    if (written === -1) return undefined;
    const piece = Buffer.allocUnsafe(written);
    memory.copy(piece, 0, output, output + written);
    pieces.push(piece);
  }
  return scanner.isWhole() === 0 ? undefined : pieces;
}
