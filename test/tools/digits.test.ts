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
  ["number", "double", Infinity, false],
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

test.each([
  ["int64", {}, "9223372036854775807", ""],
  ["int64", {}, "9223372036854775808", "expected a number <= 9223372036854775807"],
  ["int64", {}, "-9223372036854775809", "expected a number >= -9223372036854775808"],
  ["uint64", {}, "18446744073709551616", "expected a number <= 18446744073709551615"],
  ["int64", { minimum: 1 }, "0", "expected a number >= 1"],
  ["int64", { maximum: 9007199254740992 }, "9007199254740992", ""],
  [
    "int64",
    { maximum: 9007199254740992 },
    "9007199254740993",
    "expected a number <= 9007199254740992",
  ],
  ["int64", { exclusiveMaximum: 1e15 }, "1000000000000000", "expected a number < 1000000000000000"],
  ["int64", { exclusiveMinimum: -5 }, "-5", "expected a number > -5"],
  ["int64", { multipleOf: 10 }, "9007199254740993", "it must be multiple of 10"],
  ["int64", { multipleOf: 10 }, "9007199254740990", ""],
  ["decimal", { minimum: 0.1 }, "0.0999999999999999999999", "expected a number >= 0.1"],
  ["decimal", { minimum: 0.1 }, "0.10", ""],
  ["decimal", { multipleOf: 0.01 }, "12345678901234567890.015", "it must be multiple of 0.01"],
  ["decimal", {}, "1".repeat(1001), "it must not have more than 1000 digits"],
])("a text of %s with %j takes %s: %s", async (format, bounds, value, message) => {
  const type = format === "decimal" ? "number" : "integer";
  const schema = { type, format, ...bounds };
  const parameters = [{ name: "n", in: "query", schema }];
  const { tool } = await compileTools({ apis: { a: operation({ parameters }) } });
  const found = tool("op")
    .validate({ n: value })
    .map((issue) => issue.message);
  expect(found.map((text) => text.split(",")[0])).toEqual(message === "" ? [] : [message]);
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
