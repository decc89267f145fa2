import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Tests that start the command line, or a browser program, run what is published and what `npm start`
 * runs: the built JavaScript. Built once, before the first test, and only when a source is newer.
 */
export function setup(): void {
  install("corpus");
  install("sloppy");
  install("expressions");
  install("browser");
  install("inspector");
  install("assembly", "assembly");
  if (isOlder("dist/cli/main.js", ["scripts/bundle.js", "package-lock.json", ...filesIn("src")])) {
    execFileSync(process.execPath, ["scripts/bundle.js"], { stdio: "inherit" });
  }
  if (isOlder("dist-examples/demo/browser.js", filesIn("examples"))) {
    compile("tsconfig.examples.json");
  }
}

/** What tests only read or start has a lock file of its own: it is no part of the product. */
function install(name: string, folder = `test/${name}/packages`): void {
  const installed = modified(join(folder, "node_modules/.package-lock.json"));
  if (modified(join(folder, "package-lock.json")) <= installed) return;
  execFileSync("npm", ["run", "--silent", `${name}:install`], { stdio: "inherit" });
}

function filesIn(folder: string): readonly string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files.map((file) => join(folder, file));
}

function isOlder(output: string, sources: readonly string[]): boolean {
  return Math.max(...sources.map(modified)) >= modified(output);
}

function compile(project: string): void {
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
