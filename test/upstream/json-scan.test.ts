import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { escapeJson, outlineJson, type Outline } from "../../src/upstream/reply/json-scan.ts";

test("the WebAssembly that runs is what its source compiles to", () => {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-assembly-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const made = join(dir, "json-scan-binary.ts");
  execFileSync(process.execPath, ["scripts/assembly.js", made], { stdio: "inherit" });
  const kept = readFileSync("src/upstream/reply/json-scan-binary.ts", "utf8");
  expect(kept, "run `npm run build:assembly`").toBe(readFileSync(made, "utf8"));
});

/** What is no longer has no place in an outline. */
const longBytes = 4_096;
/** The scanner takes so many bytes at once. */
const blockBytes = 65_536;

/** By what `JSON.stringify` makes of each part: nothing here reads JSON. */
function outlineOf(root: unknown): Outline {
  const outline = new Map<number, { readonly end: number; readonly items: number }>();
  const walk = (value: unknown, start: number): number => {
    if (typeof value !== "object" || value === null) {
      return start + Buffer.byteLength(JSON.stringify(value));
    }
    const members = Object.entries(value);
    let end = start + 1;
    for (const [name, inner] of members) {
      const key = Array.isArray(value) ? 0 : Buffer.byteLength(JSON.stringify(name)) + 1;
      end = walk(inner, end + key) + 1;
    }
    if (members.length === 0) end++;
    if (end - start > longBytes) outline.set(start, { end, items: members.length });
    return end;
  };
  walk(root, 0);
  return outline;
}

/** Long enough to matter; what stands inside of strings is no bracket and no comma. */
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc
    .tuple(fc.constantFrom("x", "é", "😀", '"', "\\", "],[", "\u0001"), fc.nat(3_000))
    .map(([piece, times]) => piece.repeat(times)),
);
const document = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium" },
    text,
    fc.constantFrom<unknown>(0, -1.5e-7, true, null, [], {}),
    fc.array(tie("value"), { maxLength: 12 }),
    fc.dictionary(text, tie("value"), { maxKeys: 6 }),
  ),
})).value;

test("the outline has every long array and object, where it ends and how many items it has", () => {
  let long = 0;
  fc.assert(
    fc.property(document, fc.nat(blockBytes), (value, before) => {
      // Whatever the document has may come at the border of two blocks.
      const root = [{}, "-".repeat(before), value];
      const outline = outlineOf(root);
      long += outline.size;
      expect(outlineJson(Buffer.from(JSON.stringify(root)), 200)).toEqual(outline);
    }),
    { numRuns: 1_000 },
  );
  expect(long).toBeGreaterThan(1_000);
});

test("a container has its place wherever the border of two blocks falls", () => {
  const value = { 'a"\\': ["é\u0001", "x".repeat(longBytes), [{}, [1, 2.5e3, true]]], b: "," };
  const length = JSON.stringify(value).length;
  // The long string apart, each of its bytes is at the border once.
  for (const at of [...Array(40).keys(), ...[...Array(80).keys()].map((n) => length - n)]) {
    const root = ["-".repeat(blockBytes - at), value, [value], 7];
    expect(outlineJson(Buffer.from(JSON.stringify(root)), 200)).toEqual(outlineOf(root));
  }
});

test.each([200, 600])(
  "%i long containers that end together, over and over, are all noted",
  (depth) => {
    const chain = `${"[".repeat(depth - 1)}"${"-".repeat(longBytes)}"${"]".repeat(depth - 1)}`;
    const count = 60;
    const root = `[${Array.from({ length: count }, () => chain).join(",")}]`;
    const outline = outlineJson(Buffer.from(root), depth);
    expect(outline?.size).toBe(1 + count * (depth - 1));
    expect(outline?.get(0)).toEqual({ end: root.length, items: count });
    const last = root.length - 1;
    for (let nested = 0; nested < depth - 1; nested++) {
      const start = last - chain.length + nested;
      expect(outline?.get(start)).toEqual({ end: last - nested, items: 1 });
    }
  },
);

/** The one at this index or in front of it. */
function startOfCharacter(bytes: Buffer, index: number): number {
  let at = index;
  while (((bytes[at] ?? 0) & 0xc0) === 0x80) at--;
  return at;
}

test("parts are read as if they were joined, wherever they are cut", () => {
  fc.assert(
    fc.property(
      document,
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.nat(80),
      (value, cuts, near) => {
        // One part is as long as a block, or nearly so.
        const root = ["-".repeat(blockBytes - near), value];
        const bytes = Buffer.from(JSON.stringify(root));
        const places = [...cuts, blockBytes - near]
          .map((cut) => startOfCharacter(bytes, cut % bytes.length))
          .toSorted((a, b) => a - b);
        const parts = [0, ...places].map((start, i) => bytes.subarray(start, places[i]));
        const joined = Buffer.from(escapeJson(parts, 200)?.join("") ?? "", "latin1").toString();
        expect(joined === JSON.stringify(bytes.toString()).slice(1, -1)).toBe(true);
        expect(escapeJson([...parts, Buffer.from(" ")], 200)).toBeUndefined();
        expect(escapeJson(parts.slice(0, -1), 200)).toBeUndefined();
      },
    ),
    { numRuns: 500 },
  );
});

test("a list of as many items as there is room for is counted", () => {
  const root = `[${"0,".repeat(4_000_000)}0]`;
  expect(outlineJson(Buffer.from(root), 200)).toEqual(
    new Map([[0, { end: root.length, items: 4_000_001 }]]),
  );
});
