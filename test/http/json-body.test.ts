import fc from "fast-check";
import { expect, test } from "vitest";
import { exactFormOf, printExactly } from "../../src/base/exact-number.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { parseJsonBody } from "../../src/http/json-body.ts";

const read = (text: string): unknown => parseJsonBody(Buffer.from(text));

test("whatever JSON prints is read as it was", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      expect(read(text)).toEqual(JSON.parse(text));
    }),
  );
});

test.each([
  { what: "a name twice", text: '{"a":1,"a":2}' },
  { what: "a name twice, once with an escape", text: String.raw`{"a":1,"\u0061":2}` },
  { what: "a name twice deep inside", text: '{"x":[{"y":{"a":"}","a":":"}}]}' },
  { what: "half a pair", text: String.raw`{"a":"\ud83d"}` },
  { what: "half a pair in capitals", text: String.raw`{"a":"\uDE00"}` },
  { what: "half a pair in a name", text: String.raw`{"\ud83d":1}` },
  { what: "a number beyond all doubles", text: '{"a":[1e400]}' },
  { what: "one below them", text: '{"a":-1e999}' },
  { what: "a string without an end", text: '{"a":"b' },
  { what: "a string that ends in a backslash", text: '{"a":"b\\' },
  { what: "an escape cut off", text: String.raw`{"a":"\u` },
  { what: "brackets of two kinds", text: '{"a":[}' },
  { what: "nothing", text: "" },
  { what: "65 brackets", text: "[".repeat(65) + "]".repeat(65) },
])("$what is no body", ({ text }) => {
  expect(read(text)).toBeUndefined();
});

test.each([
  { what: "colons and brackets in strings", text: '{"a":"{[:,\\"]}","b":{"c":":"}}' },
  { what: "a whole pair", text: String.raw`{"a":"\ud83d\ude00"}` },
  { what: "a backslash before the letters of a pair", text: String.raw`{"a":"\\ud83d"}` },
  { what: "64 brackets", text: "[".repeat(64) + "]".repeat(64) },
  { what: "characters beyond ASCII", text: '{"é":"“:”","😀":"{"}' },
])("$what: as JSON reads it", ({ text }) => {
  expect(read(text)).toEqual(JSON.parse(text));
});

test.each([
  { where: "alone in a string", text: '"\xc3"' },
  { where: "behind what is some", text: '["\xc3\xa9\xe9"]' },
  { where: "behind an escape", text: '"\\n\xff"' },
  { where: "in a name", text: '{"\xed\xa0\x80":1}' },
  { where: "at the end", text: '"\xc3' },
  { where: "outside of strings", text: "[1,\xa0]" },
])("a byte that is no UTF-8, $where, is no body", ({ text }) => {
  expect(parseJsonBody(Buffer.from(text, "latin1"))).toBeUndefined();
});

test.each(["9007199254740993", "-0.12345678901234567", "123456789012345678901"])(
  "%s keeps its digits in the arguments of a call",
  (digits) => {
    const text = `{"method":"tools/call","params":{"arguments":{"n":${digits}}}}`;
    const { params } = read(text) as { readonly params: { readonly arguments: JsonObject } };
    expect(printExactly(exactFormOf(params.arguments))).toBe(`{"n":${digits}}`);
  },
);
