import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Compiles assembly/json-scan.ts to WebAssembly and writes it as a module that the program imports.
 * Decision 10 in docs/adr says why there is such a thing.
 *
 * node scripts/assembly.js [where to write it]
 */

const root = join(import.meta.dirname, "..");
const [out = join(root, "src/upstream/reply/json-scan-binary.ts")] = process.argv.slice(2);

/** Four pages of 64 KiB: two blocks of escaped output, one of input, and what is open. */
const options = ["-O3", "--noAssert", "--runtime", "stub"];
const memory = ["--initialMemory", "4", "--maximumMemory", "4"];

const dir = mkdtempSync(join(tmpdir(), "tollgate-assembly-"));
try {
  const wasm = join(dir, "json-scan.wasm");
  const compiler = join(root, "assembly/node_modules/assemblyscript/bin/asc.js");
  const source = join(root, "assembly/json-scan.ts");
  execFileSync(process.execPath, [compiler, source, ...options, ...memory, "-o", wasm], {
    cwd: root,
    stdio: "inherit",
  });
  const binary = readFileSync(wasm).toString("base64");
  writeFileSync(
    out,
    `/** Written by \`npm run build:assembly\` from assembly/json-scan.ts. */
export const jsonScanBinary: string =
  "${binary}";
`,
  );
} finally {
  rmSync(dir, { recursive: true });
}
