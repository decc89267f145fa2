import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";

import type { JsonObject, JsonSchema } from "../../src/base/json.ts";
import { fitSchema, maxSchemaBytes, maxSubschemas } from "../../src/tools/fit.ts";
import { compileTools, entryOf, jsonBody, operation } from "./compile.ts";

const many = (count: number, property: (i: number) => object): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, property(i)])) as JsonObject;

const root = (body: object, $defs: object = {}): JsonSchema =>
  ({ type: "object", properties: { body }, additionalProperties: false, $defs }) as JsonSchema;

test("what is within the bounds stays the same object", () => {
  const schema = root({ type: "string", examples: ["a"] });
  expect(fitSchema(schema)).toEqual({ schema, lost: undefined });
  expect(fitSchema(schema)?.schema).toBe(schema);
});

test.each([
  {
    what: "examples go first",
    properties: many(1_200, () => ({
      type: "string",
      description: "d".repeat(130),
      examples: ["e".repeat(190)],
    })),
    lost: "examples",
    left: { type: "string", description: "d".repeat(130) },
  },
  {
    what: "long descriptions go next",
    properties: many(1_200, () => ({ type: "string", description: "d".repeat(400) })),
    lost: "examples and long descriptions",
    left: { type: "string", description: `${"d".repeat(119)}…` },
  },
])("$what", ({ properties, lost, left }) => {
  const fitted = fitSchema(root({ type: "object", properties }));
  expect(fitted?.lost).toBe(lost);
  expect(fitted?.schema).toMatchObject({ properties: { body: { properties: { p7: left } } } });
});

test("then definitions, the deepest first, and the rest still compiles", () => {
  const wide = { type: "object", properties: many(500, (i) => ({ const: `${i}`.repeat(100) })) };
  const $defs = {
    A: { type: "object", properties: { b: { $ref: "#/$defs/B" } } },
    B: { ...wide, title: "Bee", properties: { ...wide.properties, c: { $ref: "#/$defs/C" } } },
    C: { ...wide, title: "Sea" },
  };
  const fitted = fitSchema(root({ $ref: "#/$defs/A" }, { ...$defs, D: wide }));
  const schema = fitted?.schema ?? {};
  expect(Buffer.byteLength(JSON.stringify(schema))).toBeLessThanOrEqual(maxSchemaBytes);
  const left = schema["$defs"] as JsonObject;
  expect(left["A"]).toEqual($defs.A);
  expect(() => new Ajv2020({ strict: false }).compile(schema)).not.toThrow();
});

test("S58: ten thousand schemas are too many, however short", () => {
  const deep = { type: "object", properties: many(maxSubschemas, () => ({})) };
  const fitted = fitSchema(root({ $ref: "#/$defs/A" }, { A: deep }));
  expect(fitted?.schema["$defs"]).toEqual({
    A: { type: "object", description: "(The details are too long to show.)" },
  });
});

test("a tool that cannot be made to fit is none, and the file says so", async () => {
  const schema = { type: "object", properties: many(maxSubschemas, () => ({ type: "string" })) };
  const spec = operation(jsonBody(schema));
  const matched = await compileTools({ apis: { a: spec } });
  expect(matched.names).toEqual([]);
  expect(matched.issues).toMatchObject([{ severity: "warning", code: "tool_too_large" }]);
  const named = await compileTools({ apis: { a: spec }, tools: "- operation: op" });
  expect(named.issues).toMatchObject([{ severity: "error", code: "tool_too_large" }]);
});

test("what is published is what is checked", async () => {
  const wide = { type: "object", properties: many(maxSubschemas, () => ({ type: "string" })) };
  const spec = {
    ...operation(jsonBody({ $ref: "#/components/schemas/Wide" })),
    components: { schemas: { Wide: wide } },
  };
  const { tool, issues } = await compileTools({ apis: { a: spec } });
  expect(issues).toMatchObject([{ severity: "warning", code: "tool_too_large" }]);
  expect(entryOf(tool("op"))["inputSchema"]).toEqual(tool("op").inputSchema);
  expect(tool("op").validate({ body: { p7: 1 } })).toEqual([]);
  expect(tool("op").validate({ body: 1 })).toHaveLength(1);
});

test("a schema above 8 KB is warned of with its cost", async () => {
  const properties = many(300, () => ({ type: "string", minLength: 1 }));
  const { issues } = await compileTools({
    apis: { a: operation(jsonBody({ type: "object", properties })) },
  });
  expect(issues).toMatchObject([{ severity: "warning", code: "large_tool" }]);
  expect(issues[0]?.message).toMatch(/op \(\d{4} tokens\)$/);
});

test("S59: an object of thousands of properties is checked", async () => {
  const properties = many(3_000, () => ({ type: "string" }));
  const spec = operation(jsonBody({ type: "object", properties }));
  const { tool } = await compileTools({ apis: { a: spec } });
  expect(tool("op").validate({ body: { p7: "x" } })).toEqual([]);
  expect(tool("op").validate({ body: { p7: 1 } })).toMatchObject([{ path: "body.p7" }]);
});
