import fc from "fast-check";
import { expect, test } from "vitest";
import { parseExactly, printExactly } from "../../src/base/exact-number.ts";

function roundTrip(json: string): string {
  return printExactly(parseExactly(json));
}

test.each([
  "9007199254740993",
  "-12345678901234567890",
  '{"a":[9007199254740993,"9007199254740993"],"9007199254740993":1}',
  "0.1234567890123456789012",
  "123456789012345678901234567890e10",
  '["\ue000number:1",9007199254740993]',
  '["\\"9007199254740993\\\\",9007199254740993]',
])("%s is printed as it was written", (json) => {
  expect(roundTrip(json)).toBe(json);
});

test.each([
  "{9007199254740993: 1}",
  "{9007199254740993\t:1}",
  "09007199254740993",
  "9007199254740993.",
  "9007199254740993-1",
  "[9007199254740993 9007199254740993]",
  "true9007199254740993",
])("%s is no JSON before and after", (json) => {
  expect(() => JSON.parse(json) as unknown).toThrow(SyntaxError);
  expect(() => parseExactly(json)).toThrow(SyntaxError);
});

test("numbers that fit are numbers", () => {
  expect(parseExactly("[0.30000000000000004, 9007199254740991, 1234567890123456789]")).toEqual([
    0.30000000000000004,
    9007199254740991,
    expect.stringContaining("1234567890123456789"),
  ]);
});

test("any JSON text with any integers comes out as it went in", () => {
  const integer = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
  // The sign of the numbers below, which must not be found inside a text.
  const word = fc.string().filter((text) => !text.includes("@"));
  const leaf = fc.oneof(integer, word, fc.boolean(), fc.constant(null));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(word, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const json = JSON.stringify(value, (_, member: unknown) =>
        typeof member === "bigint" ? `@${member}` : member,
      ).replace(/"@(-?\d+)"/g, "$1");
      expect(roundTrip(json)).toBe(normal(json));
    }),
    { numRuns: 2000 },
  );
});

/** Keys that look like indices come first in JavaScript, whoever prints them. */
function normal(json: string): string {
  const marked = json.replace(/"(?:[^"\\]|\\.)*"|-?\d+/g, (token) =>
    token.startsWith('"') ? token : `"@n${token}"`,
  );
  return JSON.stringify(JSON.parse(marked)).replace(/"@n(-?\d+)"/g, "$1");
}

test("S54: a text of quotes without end is refused at once, and not after looking on from each", () => {
  const quotes = String.raw`[1234567890123456789,"${String.raw`\"`.repeat(500_000)}`;
  expect(() => parseExactly(quotes)).toThrow(SyntaxError);
  expect(() => parseExactly(`${quotes}\\`)).toThrow(SyntaxError);
  expect(printExactly(parseExactly(`${quotes}"]`))).toBe(`${quotes}"]`);
});
