import { expect, test } from "vitest";
import fc from "fast-check";
import { readJson } from "../../src/upstream/reply/json-text.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON, and JSON with one piece put in, taken out or doubled: nearly right is what tells them apart. */
const nearly = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(200),
    fc.nat(3),
    fc.constantFrom(
      ...Array.from('{}[],:"\\0123456789.eE+-tfnu \n\t\u0000\u001f\u00a0\ufeff'),
      "\\u12",
      "01",
      "-",
      "1e",
    ),
  )
  .map(([json, at, cut, piece]) => json.slice(0, at) + piece + json.slice(at + cut));

test("what the parser takes is JSON, and nothing else", () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string(), fc.json()), (text) => {
      expect([text, readJson(text) !== undefined]).toEqual([text, isJson(text)]);
    }),
    { numRuns: 50_000 },
  );
});

test("a proven text says the same as the one it was made from", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 2, "\t"), (value, indent) => {
      const written = JSON.stringify(value, undefined, indent);
      const proven = readJson(written);
      expect(proven?.text).toBe(JSON.stringify(value));
    }),
    { numRuns: 10_000 },
  );
});

test.each([
  { text: "7", depth: 0 },
  { text: "[]", depth: 1 },
  { text: '{"a":[{"b":{}}],"c":[]}', depth: 4 },
  { text: `${"[".repeat(100_000)}${"]".repeat(100_000)}`, depth: 100_000 },
])("depth of $text.length characters is $depth", ({ text, depth }) => {
  expect(readJson(text)?.depth).toBe(depth);
});

test.each([
  "",
  " ",
  "01",
  "1.",
  ".5",
  "+1",
  "-",
  "1e",
  "[1,]",
  '{"a":1,}',
  '{"a"}',
  "{a:1}",
  "'a'",
  '"\t"',
  '"\\x"',
  '"\\u12g4"',
  "[1}",
  "{]",
  "nul",
  "true false",
  "\ufeff1",
  "NaN",
  "[",
  '"',
  '"\\',
])("%j is refused", (text) => {
  expect(isJson(text)).toBe(false);
  expect(readJson(text)).toBeUndefined();
});
