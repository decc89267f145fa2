import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { SourceMap, type SourceMapPayload } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readStack } from "../../src/observe/stack.ts";

/** A bundle of a part of our sources, as the program's is made. */
let directory: string;
let home: string;
let file: string;
let map: SourceMapPayload;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tollgate-stack-"));
  await build({
    entryPoints: { part: resolve("src/tools/layout.ts") },
    outdir: join(directory, "chunks"),
    bundle: true,
    format: "esm",
    platform: "node",
    minifyWhitespace: true,
    sourcemap: "linked",
    sourcesContent: false,
  });
  home = `${pathToFileURL(directory).href}/`;
  file = `${home}chunks/part.js`;
  map = JSON.parse(
    await readFile(join(directory, "chunks/part.js.map"), "utf8"),
  ) as SourceMapPayload;
});

afterAll(() => rm(directory, { recursive: true }));

function withStack(...lines: readonly string[]): Error {
  return Object.assign(new Error("boom"), { stack: ["Error: boom", ...lines].join("\n") });
}

/** What Node says of the same place. */
function origin(line: number, column: number): string {
  const found = new SourceMap(map).findEntry(line - 1, column - 1);
  // It goes on from the line before where nothing is said of a line.
  if (!("originalSource" in found) || found.generatedLine !== line - 1)
    return `${file}:${line}:${column}`;
  const source = new URL(found.originalSource, file).href;
  return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`;
}

test("places of the bundle become places of the sources, the same as Node finds", async () => {
  const lines = (await readFile(join(directory, "chunks/part.js"), "utf8")).split("\n");
  const places = lines.flatMap((line, index) =>
    [1, 2, Math.ceil(line.length / 3), Math.ceil(line.length / 2), line.length]
      .filter((column) => column > 0)
      .map((column) => [index + 1, column] as const),
  );
  expect(places.length).toBeGreaterThan(20);
  // As many as a stack has.
  const stacks = places.flatMap((_, index) =>
    index % 10 === 0 ? [places.slice(index, index + 10)] : [],
  );
  const read = stacks.flatMap((some) => {
    const frames = some.map(([line, column]) => `    at layOut (${file}:${line}:${column})`);
    return readStack(withStack(...frames), home)
      .split("\n")
      .slice(1);
  });
  expect(read).toEqual(places.map(([line, column]) => `    at layOut (${origin(line, column)})`));
  expect(read.some((line) => line.includes("/src/tools/layout.ts:"))).toBe(true);
});

test("a place of the bundle leads to the same words in the source", async () => {
  const words = "new TypeError(";
  const bundle = (await readFile(join(directory, "chunks/part.js"), "utf8")).split("\n");
  const line = bundle.findIndex((text) => text.includes(words));
  const column = bundle[line]?.indexOf(words) ?? -1;
  const read = readStack(withStack(`    at run (${file}:${line + 1}:${column + 1})`), home);
  const [, source = "", row = "", at = ""] = /\((file:.*):(\d+):(\d+)\)$/.exec(read) ?? [];
  const text = (await readFile(new URL(source), "utf8")).split("\n")[Number(row) - 1] ?? "";
  expect(text.slice(Number(at) - 1)).toMatch(/^new TypeError\(/);
});

test("a frame without the name of a function, and an asynchronous one", () => {
  const place = `${file}:2:9`;
  expect(
    readStack(withStack(`    at ${place}`, `    at async call (${place})`), home).split("\n"),
  ).toEqual(["Error: boom", `    at ${origin(2, 9)}`, `    at async call (${origin(2, 9)})`]);
});

test.each([
  "    at run (node:internal/main:1:2)",
  "    at file:///etc/chunks/passwd.js:1:1",
  "    at HOMEchunks/../../secret.js:1:1",
  "    at HOMEchunks/absent.js:1:1",
  "    at HOMEchunks/broken.js:1:1",
  "at HOMEchunks/part.js:1:1",
  `    at ${"x".repeat(1_000)} (HOMEchunks/part.js:1:1)`,
])("%s stays as it is", async (written) => {
  await writeFile(join(directory, "chunks/broken.js.map"), "{");
  await writeFile(join(directory, "secret.js.map"), JSON.stringify(map));
  const line = written.replace("HOME", home);
  expect(readStack(withStack(line), home)).toBe(`Error: boom\n${line}`);
});

test("an error without a stack is its message", () => {
  expect(readStack(Object.assign(new Error("boom"), { stack: undefined }), home)).toBe("boom");
});
