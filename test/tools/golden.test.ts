import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import type { Issue } from "../../src/base/issue.ts";
import type { Place, Tool } from "../../src/tools/tool.ts";
import { compilePublished } from "../corpus/documents.ts";
import { entryOf } from "./compile.ts";

/** One small document per version; 3.2's has every feature that no published document has yet. */
test.each(["2.0", "3.0", "3.1", "3.2"])("the tools of %s are those on file", async (version) => {
  const file = pathOf(`${version}.yaml`);
  const { catalog, document, issues } = await compilePublished(file);
  const found = {
    tools: [...catalog.tools.values()].map((tool) => ({
      ...entryOf(tool),
      places: placesOf(tool),
    })),
    findings: [...document.warnings, ...issues].map(findingOf).toSorted(),
  };
  const text = `${JSON.stringify(found, undefined, 2)}\n`;
  const golden = pathOf(`${version}.json`);
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(golden, text);
  expect(text).toBe(readFileSync(golden, "utf8"));
});

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
}

function placesOf({ operation, places }: Tool): readonly string[] {
  const { method, path } = operation;
  return [`${method} ${path}`, ...places.map((place) => `${place.key} -> ${targetOf(place)}`)];
}

function targetOf({ target }: Place): string {
  if (target.kind !== "parameter") return `body as ${target.body.contentType}`;
  const { name, in: where, encoding } = target.parameter;
  const { kind, ...how } = encoding;
  return `${where} ${name}, ${kind} ${JSON.stringify(how)}`;
}

function findingOf({ severity, code, message, position }: Issue): string {
  const at = position === undefined ? "" : `${basename(position.file)}:${position.line}`;
  return `${severity} ${code} ${at}: ${message}`;
}
