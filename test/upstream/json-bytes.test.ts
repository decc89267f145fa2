import { expect, test } from "vitest";
import fc from "fast-check";
import { proveJson, withoutLineEnd, type JsonBytes } from "../../src/upstream/reply/json-bytes.ts";
import { outlineJson } from "../../src/upstream/reply/json-scan.ts";
import { readJson } from "../../src/upstream/reply/json-text.ts";

/** An outline is drawn of what is proven, and of nothing else. */
function prove(text: string): JsonBytes | undefined {
  const bytes = withoutLineEnd(Buffer.from(text));
  const proven = proveJson(bytes, 200);
  expect([text, outlineJson(bytes, 200) !== undefined]).toEqual([text, proven !== undefined]);
  return proven;
}

function escapedOf({ escaped }: JsonBytes): string {
  return Buffer.from(escaped.join(""), "latin1").toString();
}

/** What the reader of texts, whose own oracle is the parser, passes on unchanged. */
function isCompact(text: string): boolean {
  const trimmed = text.replace(/[\r\n]+$/, "");
  return readJson(trimmed)?.text === trimmed;
}

/** JSON, and JSON with one piece put in, taken out or doubled: nearly right is what tells them apart. */
const nearly = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(200),
    fc.nat(3),
    fc.constantFrom(
      ...Array.from('{}[],:"\\0123456789.eE+-tfnu \n\r\t\u0000\u001f\u007f\u00a0\ufeffé😀'),
      "\\u12",
      "\\u00e9",
      "\\/",
      "01",
      "-",
      "1e",
    ),
  )
  .map(([json, at, cut, piece]) => json.slice(0, at) + piece + json.slice(at + cut));

test("what is proven is compact JSON, and all of it is proven but escaped surrogates", () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string(), fc.json()), (text) => {
      fc.pre(!/\\u[dD][89a-fA-F]/.test(text));
      expect([text, prove(text) !== undefined]).toEqual([text, isCompact(text)]);
    }),
    { numRuns: 50_000 },
  );
});

test("written into a string it reads as what it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const json = prove(text);
      if (json === undefined) throw new TypeError(`not proven: ${text}`);
      expect(`"${escapedOf(json)}"`).toBe(JSON.stringify(text));
    }),
    { numRuns: 10_000 },
  );
});

test.each([
  { text: '"\\ud800"', why: "half a character" },
  { text: '"\\ud83d\\ude00"', why: "a character in two halves" },
  { text: `${"[".repeat(201)}${"]".repeat(201)}`, why: "too deep" },
  { text: "[1, 2]", why: "white space" },
  { text: "\ufeff1", why: "a byte order mark" },
  { text: "", why: "nothing" },
  { text: "\n", why: "nothing but a line end" },
])("$why is left to who reads texts", ({ text }) => {
  expect(prove(text)).toBeUndefined();
});

test.each([
  [0xff],
  [0x31, 0xff],
  [0x22, 0xff, 0x22],
  [0x22, 0xc3, 0x22],
  [0x22, 0xed, 0xa0, 0x80, 0x22],
  [0x22, 0x00, 0x22, 0x00],
])("the bytes %j… are not proven", (...bytes) => {
  for (const read of [proveJson, outlineJson])
    expect(read(Buffer.from(bytes), 200)).toBeUndefined();
});

test("nesting is proven as deep as it may be", () => {
  expect(prove(`${"[".repeat(200)}${"]".repeat(200)}\r\n`)?.bytes?.length).toBe(400);
});

test("nothing is proven beyond the depth for which there is memory", () => {
  const nested = (depth: number): Buffer => Buffer.from("[".repeat(depth) + "]".repeat(depth));
  for (const read of [proveJson, outlineJson]) {
    expect(read(nested(600), 1_000_000)).toBeDefined();
    expect(read(nested(601), 1_000_000)).toBeUndefined();
    expect(read(nested(100_000), 1_000_000)).toBeUndefined();
  }
});

/** The scanner takes so many bytes at once. */
const blockBytes = 65_536;

test("what crosses the border of two blocks reads as it does within one", () => {
  fc.assert(
    fc.property(nearly, fc.nat(80), (json, before) => {
      fc.pre(!/\\u[dD][89a-fA-F]/.test(json));
      // The border is somewhere in the text, or just behind it.
      const filler = "x".repeat(blockBytes - '["",'.length - before);
      const text = `["${filler}",${json}]`;
      const proven = prove(text);
      expect([json, proven !== undefined]).toEqual([json, isCompact(text)]);
      if (proven === undefined) return;
      expect(proven.bytes?.toString()).toBe(text);
      expect(escapedOf(proven) === JSON.stringify(text).slice(1, -1)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

test("a text of many blocks is escaped whole, all of it quotes", () => {
  const text = JSON.stringify('"\\'.repeat(200_000));
  const proven = prove(text);
  if (proven === undefined) throw new TypeError("not proven");
  expect(proven.escaped.length).toBe(Math.ceil(text.length / blockBytes));
  expect(escapedOf(proven) === JSON.stringify(text).slice(1, -1)).toBe(true);
});
