import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Tests that start the command line, or a browser program, run what `npm start` runs: the built
 * JavaScript. Built once, before the first test, and only when a source is newer.
 */
export function setup(): void {
  install("corpus");
  install("sloppy");
  install("expressions");
  install("browser");
  install("inspector");
  build("tsconfig.build.json", "src", "dist/cli/main.js");
  build("tsconfig.examples.json", "examples", "dist-examples/demo/browser.js");
}

/** What tests only read or start has a lock file of its own: it is no part of the product. */
function install(room: "corpus" | "sloppy" | "browser" | "inspector" | "expressions"): void {
  const folder = `test/${room}/packages`;
  const installed = modified(join(folder, "node_modules/.package-lock.json"));
  if (modified(join(folder, "package-lock.json")) <= installed) return;
  execFileSync("npm", ["run", "--silent", `${room}:install`], { stdio: "inherit" });
}

function build(project: string, sources: string, output: string): void {
  const files = readdirSync(sources, { recursive: true, encoding: "utf8" });
  const newest = Math.max(...files.map((file) => modified(join(sources, file))));
  if (newest < modified(output)) return;
  // A type error does not keep the compiler from writing; `npm run typecheck` is what refuses it.
  const tsc = "node_modules/typescript/bin/tsc";
  try {
    execFileSync(process.execPath, [tsc, "-p", project], { stdio: ["ignore", "pipe", "inherit"] });
  } catch (error) {
    process.stderr.write(String((error as { readonly stdout?: Buffer }).stdout ?? error));
  }
}

function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
