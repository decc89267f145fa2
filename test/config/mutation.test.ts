import { writeFile } from "node:fs/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { findings, good, goodEnv, issuesOf, makeWorld } from "./world.ts";

const lines = good.split("\n");

/** What trips YAML parsers and interpolation. */
const tricky: readonly string[] = [
  "",
  "\n",
  "  ",
  "\t",
  ": ",
  "- ",
  "{",
  "}",
  "[",
  "]",
  "&a ",
  "*a",
  "!!str ",
  "!x ",
  "| ",
  "> ",
  "${",
  "${NAME}",
  "${file:x}",
  "$${",
  "null",
  "~",
  "1e999",
  "0x1",
  "---\n",
  "...\n",
  "%YAML 1.1\n",
  "__proto__: ",
  "<<: ",
  "? ",
  "'",
  '"',
  "\\",
  "\u0000",
  "\u2028",
  "\uD800",
];

/** A piece of the file removed, doubled, moved or replaced by what trips parsers. */
const mutation = fc.record({
  at: fc.nat(good.length),
  length: fc.nat(20),
  put: fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom(...tricky), fc.constantFrom(...lines)),
});

test("random text leads to findings, never to another error", async () => {
  const { file } = await makeWorld(good);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), async (text) => {
      await writeFile(file, text);
      expect((await findings(file, goodEnv)).length).toBeGreaterThan(0);
    }),
    { numRuns: 200 },
  );
});

test("a mutated file loads or leads to findings with positions inside it", async () => {
  const { file } = await makeWorld(good);
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
      let text = good;
      for (const { at, length, put } of mutations)
        text = text.slice(0, at) + put + text.slice(at + length);
      await writeFile(file, text);
      const count = text.split(/\r\n|\n|\r/).length;
      for (const { position } of await findings(file, goodEnv)) {
        expect(position?.line).toBeGreaterThan(0);
        expect(position?.line).toBeLessThanOrEqual(count);
        expect(position?.column).toBeGreaterThan(0);
      }
    }),
    { numRuns: 800 },
  );
});

test("any value in any place leads to findings or loads", async () => {
  const places = lines.flatMap((line, i) => (/: \S/.test(line) ? [i] : []));
  const { file } = await makeWorld(good);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), fc.jsonValue(), async (place, value) => {
      const text = lines.with(
        place,
        (lines[place] ?? "").replace(/: .*/, `: ${JSON.stringify(value)}`),
      );
      await writeFile(file, text.join("\n"));
      // Anything but a ConfigError would reject.
      expect(Array.isArray(await findings(file, goodEnv))).toBe(true);
    }),
    { numRuns: 400 },
  );
});

test("the unchanged file loads", async () => {
  expect(await issuesOf(good)).toEqual([]);
});
