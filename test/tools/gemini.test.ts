import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { toGemini } from "../../src/tools/gemini.ts";
import { publishedDocuments, compilePublished } from "../corpus/documents.ts";
import { world } from "../world/world.ts";

function simplified(schema: object, $defs: object = {}): unknown {
  const properties = { a: schema };
  const inputSchema = { type: "object", properties, additionalProperties: false, $defs };
  const entry = JSON.stringify({ name: "t", description: "d", inputSchema });
  const made = JSON.parse(toGemini(entry)) as { readonly inputSchema: JsonObject };
  expect(Object.keys(made.inputSchema)).toEqual(["type", "properties"]);
  return (made.inputSchema["properties"] as JsonObject)["a"];
}

test.each([
  [
    { type: ["string", "null"], maxLength: 3 },
    { anyOf: [{ type: "string", maxLength: 3 }, { type: "null" }] },
  ],
  [
    { type: ["string", "integer"], description: "x" },
    { description: "x", anyOf: [{ type: "string" }, { type: "integer" }] },
  ],
  [
    { oneOf: [{ type: "string" }, { type: "integer" }] },
    { anyOf: [{ type: "string" }, { type: "integer" }] },
  ],
  [
    {
      type: "object",
      properties: { b: { type: "string" } },
      patternProperties: {},
      additionalProperties: false,
    },
    { type: "object", properties: { b: { type: "string" } } },
  ],
  [
    {
      type: "object",
      properties: { b: { type: "string" }, c: { type: "string" } },
      anyOf: [{ required: ["b"] }, { required: ["c"] }],
    },
    {
      anyOf: ["b", "c"].map((name) => ({
        type: "object",
        required: [name],
        properties: { b: { type: "string" }, c: { type: "string" } },
      })),
    },
  ],
  [{ type: "array" }, { type: "array", items: {} }],
  [{ const: "x" }, { type: "string", enum: ["x"] }],
  [{ enum: [1, 2] }, { description: "One of 1, 2." }],
  [
    { type: "integer", enum: [1], description: "n" },
    { type: "integer", description: "n One of 1." },
  ],
  [{ type: "string", format: "uuid" }, { type: "string" }],
  [
    { type: "string", format: "date-time" },
    { type: "string", format: "date-time" },
  ],
  [
    { type: "integer", format: "int64", exclusiveMinimum: 1, examples: [2] },
    { type: "integer", format: "int64" },
  ],
  [
    {
      allOf: [
        { type: "object", properties: { b: { type: "string" } }, required: ["b"] },
        { properties: { c: { type: "boolean" } }, required: ["c"] },
      ],
    },
    {
      type: "object",
      required: ["b", "c"],
      properties: { b: { type: "string" }, c: { type: "boolean" } },
    },
  ],
])("%j is told as %j", (schema, told) => {
  expect(simplified(schema)).toEqual(told);
});

test("references are written out, circles end in words", () => {
  const Node = {
    type: "object",
    description: "A node.",
    properties: { name: { $ref: "#/$defs/Name" }, next: { $ref: "#/$defs/Node" } },
  };
  const told = simplified(
    { $ref: "#/$defs/Node", description: "The first." },
    { Node, Name: { type: "string" } },
  );
  expect(told).toEqual({
    type: "object",
    description: "The first.",
    properties: {
      name: { type: "string" },
      next: { type: "object", description: "A node. (The details are left out.)" },
    },
  });
});

/** Every keyword of the Schema object. */
const known = new Set(
  "type title description enum format items properties required anyOf minItems maxItems minProperties maxProperties minLength maxLength pattern minimum maximum default".split(
    " ",
  ),
);

function unknownIn(schema: unknown, path: string): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const at = `${path}/${keyword}`;
    if (!known.has(keyword)) return [at];
    if (keyword === "type" && typeof value !== "string") return [at];
    if (keyword === "items") return unknownIn(value, at);
    if (keyword === "anyOf") return (value as object[]).flatMap((one) => unknownIn(one, at));
    if (keyword !== "properties") return [];
    return Object.entries(value as object).flatMap(([name, one]) =>
      unknownIn(one, `${at}/${name}`),
    );
  });
}

test(
  "published documents have nothing else, and stay within bounds",
  { timeout: 120_000 },
  async () => {
    for (const { file, name } of publishedDocuments().filter(({ operations }) => operations > 60)) {
      const { catalog } = await compilePublished(file);
      const faults = [...catalog.tools.values()].flatMap(({ entry }) => {
        const told = toGemini(entry);
        const { inputSchema } = JSON.parse(told) as { readonly inputSchema: JsonObject };
        const size = told.length > 400_000 ? [`${told.length} characters`] : [];
        return [...unknownIn(inputSchema, ""), ...size];
      });
      expect(faults, name).toEqual([]);
    }
  },
);

test("an endpoint for Gemini lists the same tools in its words, and checks as ever", async () => {
  const n = { name: "n", in: "query", schema: { type: ["integer", "null"], exclusiveMinimum: 1 } };
  const made = await world({
    auth: "none",
    spec: { paths: { "/a": { get: { operationId: "get_a", parameters: [n] } } } },
    extra: { top: "endpoints: {/mcp: {apis: [api], profile: gemini}}" },
  });
  const response = await made.post({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  expect(await response.json()).toMatchObject({
    result: {
      tools: [
        {
          name: "get_a",
          inputSchema: {
            type: "object",
            properties: { n: { anyOf: [{ type: "integer" }, { type: "null" }] } },
          },
        },
      ],
    },
  });
  const { content, isError } = await made.call("get_a", { n: 1 });
  expect([isError, content[0]?.text]).toEqual([true, expect.stringContaining("> 1, got 1")]);
});
