import { expect, test } from "vitest";
import {
  findCircles,
  findViolations,
  homes,
  importsOf,
  packageOf,
} from "./architecture/borders.ts";
import { readSources } from "./architecture/sources.ts";

const sources = readSources();

test("imports go down the floors, and every package stays in its home", () => {
  expect(findViolations(sources)).toEqual([]);
});

test("no files import each other in a circle", () => {
  expect(findCircles(sources)).toEqual([]);
});

test("a circle is found, also by way of a third file and of types", () => {
  const files = [
    { path: "auth/a.ts", text: 'import { b } from "./b.ts";' },
    { path: "auth/b.ts", text: 'import type { C } from "./c.ts";' },
    { path: "auth/c.ts", text: 'import { a } from "./a.ts";' },
    { path: "auth/d.ts", text: 'import { a } from "./a.ts";' },
  ];
  expect(findCircles(files)).toEqual(["auth/a.ts, auth/b.ts, auth/c.ts"]);
});

test("no import escapes the reader", () => {
  const unseen = sources.flatMap(({ path, text }) => {
    const seen = new Set(importsOf(text));
    const written = text.matchAll(/(?:^import|[\s}]from) "([^"]+)";$/gm);
    return [...written]
      .filter(([, specifier]) => !seen.has(specifier ?? ""))
      .map(([line]) => `${path}: ${line.trim()}`);
  });
  expect(unseen).toEqual([]);
  // A checker that reads nothing finds nothing.
  expect(sources.length).toBeGreaterThan(100);
});

test("every package that is imported has one home, and no home is left over", () => {
  const named = sources
    .flatMap(({ text }) => importsOf(text))
    .filter((specifier) => /^@?[a-z]/.test(specifier) && !specifier.startsWith("node:"))
    .map(packageOf);
  expect(Object.keys(homes).toSorted()).toEqual([...new Set(named)].toSorted());
});

test.each([
  {
    what: "a lower room that imports a higher one",
    path: "base/a.ts",
    text: 'import { b } from "../config/b.ts";',
    reason: "imports go down only, config/b.ts is up",
  },
  {
    what: "a room that imports its neighbour",
    path: "auth/a.ts",
    text: 'import { b } from "../upstream/b.ts";',
    reason: "imports go down only, upstream/b.ts is sideways",
  },
  {
    what: "a type-only import of a neighbour",
    path: "observe/a.ts",
    text: 'import type { B } from "../policy/b.ts";',
    reason: "imports go down only, policy/b.ts is sideways",
  },
  {
    what: "a type written as an import",
    path: "tools/a.ts",
    text: 'export type A = import("../mcp/b.ts").B;',
    reason: "imports go down only, mcp/b.ts is up",
  },
  {
    what: "an import over several lines",
    path: "openapi/schema/a.ts",
    text: 'import {\n  b,\n  type C,\n} from "../../tools/b.ts";',
    reason: "imports go down only, tools/b.ts is up",
  },
  {
    what: "a re-export",
    path: "config/a.ts",
    text: 'export * from "../openapi/b.ts";',
    reason: "imports go down only, openapi/b.ts is up",
  },
  {
    what: "a named re-export of a type",
    path: "config/a.ts",
    text: 'export type { B } from "../openapi/b.ts";',
    reason: "imports go down only, openapi/b.ts is up",
  },
  {
    what: "a dynamic import",
    path: "call/a.ts",
    text: 'const b = await import(\n  "../http/b.ts"\n);',
    reason: "imports go down only, http/b.ts is up",
  },
  {
    what: "an import for its effects",
    path: "limits/a.ts",
    text: 'import "../mcp/b.ts";',
    reason: "imports go down only, mcp/b.ts is up",
  },
  {
    what: "an import that only a run can tell",
    path: "mcp/a.ts",
    text: "const b = await import(name);",
    reason: "imports what only a run can tell",
  },
  {
    what: "a template that only a run can tell",
    path: "mcp/a.ts",
    text: "const b = await import(`../${name}.ts`);",
    reason: "imports what only a run can tell",
  },
  {
    what: "a required module",
    path: "auth/a.ts",
    text: 'const b = require("fastify");',
    reason: "fastify lives in http and admin",
  },
  {
    what: "anybody but the gateway and the command line who imports the broker",
    path: "index.ts",
    text: 'import { b } from "./broker/b.ts";',
    reason: "broker is imported only by gateway, cli",
  },
  {
    what: "anybody who imports the command line",
    path: "gateway.ts",
    text: 'import { b } from "./cli/b.ts";',
    reason: "imports go down only, cli/b.ts is up",
  },
  {
    what: "the command line that imports the public API",
    path: "cli/a.ts",
    text: 'import { b } from "../index.ts";',
    reason: "imports go down only, index.ts is sideways",
  },
  {
    what: "a package outside its home",
    path: "tools/a.ts",
    text: 'import { stringify } from "yaml";',
    reason: "yaml lives in config and openapi",
  },
  {
    what: "a part of a scoped package outside its home",
    path: "http/a.ts",
    text: 'import { serveStdio } from "@modelcontextprotocol/server/stdio";',
    reason: "@modelcontextprotocol/server lives in mcp",
  },
  {
    what: "a package without a home",
    path: "upstream/a.ts",
    text: 'import get from "left-pad";',
    reason: "left-pad has no home room",
  },
  {
    what: "a room that computes and reads a file",
    path: "policy/a.ts",
    text: 'import { readFile } from "node:fs/promises";',
    reason: "policy does no IO and imports node:fs/promises",
  },
  {
    what: "a file outside src",
    path: "http/a.ts",
    text: 'import { version } from "../../package.json";',
    reason: "../../package.json is outside src",
  },
  { what: "a file in no room", path: "utils/a.ts", text: "", reason: "is in no room" },
  { what: "a new file at the root", path: "helper.ts", text: "", reason: "is in no room" },
])("$what is found", ({ path, text, reason }) => {
  expect(findViolations([{ path, text }])).toEqual([`${path}: ${reason}`]);
});

test.each([
  { path: "config/a.ts", text: 'import { b } from "../base/b.ts";' },
  { path: "config/a.ts", text: 'import { b } from "./compile/b.ts";' },
  { path: "config/compile/a.ts", text: 'import { b } from "../b.ts";' },
  { path: "gateway.ts", text: 'import { b } from "./gateway/snapshot.ts";' },
  { path: "gateway.ts", text: 'const b = await import("./broker/b.ts");' },
  { path: "tools/a.ts", text: 'import { createHash } from "node:crypto";' },
  { path: "base/a.ts", text: '// comes from "fastify"\nexport const a = "import me from \'x\'";' },
  { path: "base/a.ts", text: 'export const from = "../mcp/b.ts";' },
])("$text in $path is fine", ({ path, text }) => {
  expect(findViolations([{ path, text }])).toEqual([]);
});
