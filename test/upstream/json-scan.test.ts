import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

test("the WebAssembly that runs is what its source compiles to", () => {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-assembly-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const made = join(dir, "json-scan-binary.ts");
  execFileSync(process.execPath, ["scripts/assembly.js", made], { stdio: "inherit" });
  const kept = readFileSync("src/upstream/reply/json-scan-binary.ts", "utf8");
  expect(kept, "run `npm run build:assembly`").toBe(readFileSync(made, "utf8"));
});
