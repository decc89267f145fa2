import { expect, test } from "vitest";

import { compileTools, jsonBody, operation } from "./compile.ts";

test.each([
  ["integer", "int64", "9007199254740993", true],
  ["integer", "int64", "-9223372036854775808", true],
  ["integer", "int64", 7, true],
  ["integer", "int64", "7.5", false],
  ["integer", "int64", 7.5, false],
  ["integer", "int64", "many", false],
  ["integer", "uint64", "-1", false],
  ["integer", "int32", "7", false],
  ["number", "decimal", "0.10000000000000000001", true],
  ["number", "decimal", "1e3", false],
  ["number", "double", "0.1", false],
  [["integer", "null"], "int64", "9007199254740993", true],
  [["integer", "null"], "int64", null, true],
])("%j of format %s takes %j: %s", async (type, format, value, isTaken) => {
  const { tool } = await compileTools({
    apis: { a: operation(jsonBody({ type: "object", properties: { n: { type, format } } })) },
  });
  expect(tool("op").validate({ body: { n: value } }).length === 0).toBe(isTaken);
  // What clients read stays what the document says.
  expect(tool("op").inputSchema["properties"]).toMatchObject({
    body: { properties: { n: { type, format } } },
  });
});

test("a parameter of many digits is taken as a text and as a number", async () => {
  const id = { name: "id", in: "query", schema: { type: "integer", format: "int64" } };
  const { tool } = await compileTools({ apis: { a: operation({ parameters: [id] }) } });
  for (const value of ["9007199254740993", 7])
    expect(tool("op").validate({ id: value })).toEqual([]);
  expect(tool("op").validate({ id: "x" })).toHaveLength(1);
});

test("listed numbers are taken in either form too", async () => {
  const schema = { type: "integer", format: "int64", enum: [1, 2] };
  const parameters = [{ name: "id", in: "query", schema }];
  const { tool } = await compileTools({ apis: { a: operation({ parameters }) } });
  for (const value of ["1", 2]) expect(tool("op").validate({ id: value })).toEqual([]);
  expect(tool("op").validate({ id: "3" })).toHaveLength(1);
});
