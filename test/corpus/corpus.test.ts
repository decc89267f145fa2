import { isDeepStrictEqual } from "node:util";

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { beforeAll, describe, expect, test } from "vitest";

import { anonymous } from "../../src/auth/anonymous.ts";
import { CallError } from "../../src/base/errors.ts";
import type { JsonObject, JsonValue } from "../../src/base/json.ts";
import type { Tool } from "../../src/tools/tool.ts";
import { collectValues } from "../../src/tools/values.ts";
import { compileRequest } from "../../src/upstream/request.ts";
import { type Compiled, compilePublished, contradictory, publishedDocuments } from "./documents.ts";
import { readBack } from "./read-back.ts";
import { sample } from "./sample.ts";

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

  test("arguments validate, build a request and are read back from it", { timeout }, () => {
    const { catalog } = compiled;
    const sane = [...catalog.tools.values()].filter(({ name }) => !contradictory.has(name));
    const faults = sane.flatMap((tool) => tryOut(tool));
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
const basePath = "/base";

/** @returns What went wrong, in one line. */
function tryOut(tool: Tool): readonly string[] {
  const build = compileRequest(tool, { basePath, userAgent: "tollgate", deepLists: "repeat" });
  let last = "";
  for (let turn = 0; turn < turns; turn++) {
    const args = sample(tool.inputSchema, turn) as JsonObject;
    const issues = tool.validate(args);
    if (issues.length > 0) {
      last = issues.map(({ path, message }) => `${path} ${message}`).join("; ");
      continue;
    }
    const values = collectValues(tool.places, args, anonymous);
    try {
      const request = build(values, { headers: [], query: "", cookie: "" });
      const wrong = readBack(tool, args, request, basePath).filter(
        ({ given, found }) => !isDeepStrictEqual(given, found),
      );
      return wrong.map(
        ({ argument, given, found }) =>
          `${tool.name}: ${argument} ${JSON.stringify(given)} became ${JSON.stringify(found)} in ${request.path}`,
      );
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      last = error.message;
    }
  }
  return [`${tool.name}: no arguments were accepted: ${last}`];
}
