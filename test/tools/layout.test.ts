import { describe, expect, test } from "vitest";

import { anonymous } from "../../src/auth/anonymous.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { collectValues } from "../../src/tools/values.ts";
import { compileRequest } from "../../src/upstream/request/request.ts";
import { argumentsOf, compileTools, jsonBody, operation } from "./compile.ts";

const text = { type: "string" };
const parameter = (name: string, where: string): object => ({
  name,
  in: where,
  required: where === "path",
  schema: text,
});

test.each([
  {
    what: "a path parameter keeps its name, the others get their place",
    path: "/things/{id}",
    parameters: [parameter("id", "query"), parameter("id", "path"), parameter("id", "header")],
    names: ["id", "id_query", "id_header"],
  },
  {
    what: "a suffixed name that is taken gets a number",
    path: "/things/{id}",
    parameters: [parameter("id", "path"), parameter("id_query", "query"), parameter("id", "query")],
    names: ["id", "id_query", "id_query_2"],
  },
  {
    what: "what no argument name may have becomes an underscore",
    path: "/things",
    parameters: [parameter("filter[name]", "query"), parameter("$top", "query")],
    names: ["filter_name", "top"],
  },
])("$what", async ({ path, parameters, names }) => {
  const { tool } = await compileTools({ apis: { a: operation({ parameters }, path) } });
  expect(Object.keys(argumentsOf(tool("op").inputSchema)).toSorted()).toEqual(names.toSorted());
});

test("a parameter called body moves the body", async () => {
  const spec = operation({ parameters: [parameter("body", "query")], ...jsonBody(text) });
  const { tool } = await compileTools({ apis: { a: spec } });
  expect(Object.keys(argumentsOf(tool("op").inputSchema))).toEqual(["body", "request_body"]);
});

describe("a body that is taken apart", () => {
  const schema = {
    type: "object",
    properties: { id: { type: ["string", "null"] }, "size[cm]": { type: "integer" } },
    required: ["id"],
  };
  const api = "flattenBody: true";

  test("gives its properties the bare names, and parameters their place", async () => {
    const spec = operation(
      { parameters: [parameter("id", "path")], ...jsonBody(schema) },
      "/things/{id}",
    );
    const { tool, issues } = await compileTools({ apis: { a: spec }, api });
    expect(issues).toEqual([]);
    expect(tool("op").inputSchema).toEqual({
      type: "object",
      properties: { id_path: text, id: { type: ["string", "null"] }, size_cm: { type: "integer" } },
      required: ["id_path", "id"],
      additionalProperties: false,
    });
  });

  test.each([
    { args: { id: "7", size_cm: 3 }, sent: '{"id":"7","size[cm]":3}' },
    { args: { id: null }, sent: '{"id":null}' },
    { args: { size_cm: 0 }, sent: '{"size[cm]":0}' },
    { args: {}, sent: "{}" },
  ])("$args is sent as $sent", async ({ args, sent }) => {
    const { tool } = await compileTools({ apis: { a: operation(jsonBody(schema)) }, api });
    expect(bodyOf(tool("op"), args)).toBe(sent);
  });

  test("that is optional is not there when nothing of it is given", async () => {
    const spec = operation(jsonBody(schema, false));
    const { tool } = await compileTools({ apis: { a: spec }, api });
    expect(tool("op").inputSchema).not.toHaveProperty("required");
    expect(bodyOf(tool("op"), {})).toBeUndefined();
    expect(bodyOf(tool("op"), { id: "7" })).toBe('{"id":"7"}');
  });

  test("is shaped by a rule's args, by either name", async () => {
    const tools = `- operation: op
  flattenBody: true
  args:
    id: {value: fixed}
    size[cm]: {name: size, default: 4, description: How long}`;
    const { tool, issues } = await compileTools({
      apis: { a: operation(jsonBody(schema)) },
      tools,
    });
    expect(issues).toEqual([]);
    expect(argumentsOf(tool("op").inputSchema)).toEqual({
      size: { type: "integer", default: 4, description: "How long" },
    });
    expect(bodyOf(tool("op"), {})).toBe('{"id":"fixed","size[cm]":4}');
    expect(bodyOf(tool("op"), { size: 9 })).toBe('{"id":"fixed","size[cm]":9}');
    expect(tool("op").validate({ id: "mine" })).toHaveLength(1);
  });

  test.each([
    { what: "a choice", schema: { ...schema, oneOf: [{}] }, says: "its schema has oneOf" },
    {
      what: "names by pattern",
      schema: { ...schema, patternProperties: { "^x": text } },
      says: "its schema has patternProperties",
    },
    {
      what: "described other names",
      schema: { ...schema, additionalProperties: text },
      says: "its schema describes additionalProperties",
    },
    { what: "a list", schema: { type: "array" }, says: "no object with properties" },
    {
      what: "an object that may be null",
      schema: { ...schema, type: ["object", "null"] },
      says: "no object with properties",
    },
  ])("with $what is an error of the file", async ({ schema: other, says }) => {
    const { issues } = await compileTools({ apis: { a: operation(jsonBody(other)) }, api });
    expect(issues).toMatchObject([
      { severity: "error", code: "body_not_flat", position: { line: 11 } },
    ]);
    expect(issues[0]?.message).toContain(says);
  });

  test("in plain text is an error of the file, and false in the rule mends it", async () => {
    const spec = operation({ requestBody: { content: { "text/plain": { schema: text } } } });
    const wrong = await compileTools({ apis: { a: spec }, api });
    expect(wrong.issues).toMatchObject([{ severity: "error", code: "body_not_flat" }]);
    const right = await compileTools({
      apis: { a: spec },
      api,
      tools: "- {operation: op, flattenBody: false}",
    });
    expect(right.issues).toEqual([]);
  });

  test("of an allOf is merged first", async () => {
    const spec = operation(jsonBody({ allOf: [schema, { properties: { more: text } }] }));
    const { tool, issues } = await compileTools({ apis: { a: spec }, api });
    expect(issues).toEqual([]);
    expect(Object.keys(argumentsOf(tool("op").inputSchema))).toEqual(["id", "size_cm", "more"]);
  });
});

function bodyOf(tool: Parameters<typeof compileRequest>[0], args: JsonObject): unknown {
  const around = { basePath: "", userAgent: "test", deepLists: "repeat" } as const;
  const build = compileRequest(tool, around);
  const none = { headers: [], query: "", cookie: "" };
  return build(collectValues(tool.places, args, anonymous), none).body;
}
