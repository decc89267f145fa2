import { isDeepStrictEqual } from "node:util";

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { beforeAll, describe, expect, test } from "vitest";

import { CallError } from "../../src/base/errors.ts";
import type { JsonObject, JsonValue } from "../../src/base/json.ts";
import type { Tool } from "../../src/tools/tool.ts";
import { dryRunAndCall } from "../upstream/dry-run.ts";
import { type Compiled, compilePublished, contradictory, publishedDocuments } from "./documents.ts";
import { readBack } from "./read-back.ts";
import { sample } from "./sample.ts";
import { basePath, serve, type Served } from "./served.ts";

/** Compiling a thousand schemas takes a while on a busy machine. */
const timeout = 180_000;

describe.each(publishedDocuments())("$name", ({ file, operations }) => {
  let compiled: Compiled;

  beforeAll(async () => {
    compiled = await compilePublished(file);
  }, timeout);

  test("every operation is a tool, or a reported skip", { timeout }, () => {
    const { catalog, document, issues } = compiled;
    expect(issues.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(document.operations.length).toBeGreaterThanOrEqual(operations);
    const told = issues.filter(({ message }) => message.includes("there is no tool for it"));
    expect(catalog.tools.size + told.length).toBe(document.operations.length);
  });

  test("names, keys and roots are legal", { timeout }, () => {
    const { catalog } = compiled;
    const faults = [...catalog.tools.values()].flatMap((tool) => findIllegal(tool));
    expect(faults.join("\n")).toBe("");
    const names = [...catalog.tools.keys()].map((name) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
  });

  test("every reference leads to a definition of its own tool", { timeout }, () => {
    const { catalog } = compiled;
    const faults = [...catalog.tools.values()].flatMap(({ name, entry }) => {
      const { inputSchema } = JSON.parse(entry) as { readonly inputSchema: JsonObject };
      const definitions = Object.keys((inputSchema["$defs"] ?? {}) as JsonObject);
      const known = new Set(definitions.map((key) => `#/$defs/${key}`));
      const refs = referencesIn(inputSchema);
      const dangling = [...refs].filter((ref) => !known.has(ref));
      const unused = [...known].filter((ref) => !refs.has(ref));
      return [...dangling, ...unused].map((ref) => `${name}: ${ref}`);
    });
    expect(faults.join("\n")).toBe("");
  });

  test("every published schema compiles for a client with ajv", { timeout }, () => {
    const { catalog } = compiled;
    const ajv = new Ajv2020({ strict: false, logger: false, addUsedSchema: false });
    addFormats.default(ajv);
    const faults = [...catalog.tools.values()].flatMap(({ name, inputSchema }) => {
      try {
        ajv.compile(inputSchema);
        return [];
      } catch (error) {
        return [`${name}: ${String(error)}`];
      }
    });
    expect(faults.join("\n")).toBe("");
  });

  test("arguments arrive as a dry run shows them, and are read back", { timeout }, async () => {
    const served = await serve(file);
    const { catalog } = served.gateway.snapshot;
    expect([...catalog.tools.keys()]).toEqual([...compiled.catalog.tools.keys()]);
    const faults: string[] = [];
    for (const tool of catalog.tools.values())
      if (!contradictory.has(tool.name)) faults.push(...(await tryOut(served, tool)));
    await served.close();
    expect(faults.join("\n")).toBe("");
  });
});

function findIllegal({ name, entry }: Tool): string[] {
  const { inputSchema } = JSON.parse(entry) as { readonly inputSchema: JsonObject };
  const faults = Object.keys((inputSchema["properties"] ?? {}) as JsonObject)
    .filter((key) => !/^[a-zA-Z0-9_.-]{1,64}$/.test(key))
    .map((key) => `${name}: argument ${key}`);
  if (!/^[a-zA-Z_][a-zA-Z0-9_-]{0,55}$/.test(name)) faults.push(name);
  const root = new Set(["type", "properties", "required", "additionalProperties", "$defs"]);
  const others = Object.keys(inputSchema).filter((keyword) => !root.has(keyword));
  if (others.length > 0) faults.push(`${name}: root has ${others.join(", ")}`);
  if (inputSchema["type"] !== "object" || inputSchema["additionalProperties"] !== false) {
    faults.push(`${name}: root is no closed object`);
  }
  return faults;
}

/** Every `$ref` text that is a keyword: not one that names a property or is data. */
function referencesIn(schema: JsonValue, isMap = false): Set<string> {
  const found = new Set<string>();
  if (typeof schema !== "object" || schema === null) return found;
  for (const [key, inner] of Object.entries(schema)) {
    if (!isMap && data.has(key)) continue;
    if (!isMap && key === "$ref" && typeof inner === "string") found.add(inner);
    const maps = !isMap && (key === "properties" || key === "$defs" || /^pattern|^dep/.test(key));
    for (const ref of referencesIn(inner, maps)) found.add(ref);
  }
  return found;
}

const data = new Set(["const", "enum", "default", "examples", "dependentRequired", "required"]);

const turns = 24;
/** With all optional members, with other branches, with none. */
const wanted = 3;

/** @returns What went wrong, one line each. */
async function tryOut(served: Served, tool: Tool): Promise<readonly string[]> {
  let last = "";
  let tried = 0;
  const faults: string[] = [];
  for (let turn = 0; turn < turns && tried < wanted; turn++) {
    const args = sample(tool.inputSchema, turn) as JsonObject;
    const issues = tool.validate(args);
    if (issues.length > 0) {
      last = issues.map(({ path, message }) => `${path} ${message}`).join("; ");
      continue;
    }
    try {
      const { shown, received, wire } = await dryRunAndCall(served, tool.name, args);
      const differs = isDeepStrictEqual(shown, received)
        ? []
        : [`${tool.name}: ${JSON.stringify(shown)} was sent as ${JSON.stringify(received)}`];
      const wrong = readBack(tool, args, wire, basePath).filter(
        ({ given, found }) => !isDeepStrictEqual(given, found),
      );
      const misread = wrong.map(
        ({ argument, given, found }) =>
          `${tool.name}: ${argument} ${JSON.stringify(given)} became ${JSON.stringify(found)} in ${wire.path}`,
      );
      faults.push(...differs, ...misread);
      tried++;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      last = error.message;
    }
  }
  return tried === 0 ? [`${tool.name}: no arguments were accepted: ${last}`] : faults;
}
