import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { attacks } from "./attacks.ts";
import { faults } from "./faults.ts";
import { cell, readPage } from "./page.ts";
import { rowsOf } from "./row.ts";
import { findTests, rowsIn } from "./titles.ts";

const matrices = [attacks, faults];
const rows = matrices.flatMap(rowsOf);
const tests = findTests();

test("no two rows have one id", () => {
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
});

test("every row that a title names exists", () => {
  const known = new Set(rows.map(({ id }) => id));
  expect([...tests].filter(([id]) => !known.has(id))).toEqual([]);
  expect(tests.size).toBeGreaterThan(90);
});

test("a row is named at the beginning of a title, or in brackets at its end", () => {
  expect(rowsIn("S12 a sentence")).toEqual(["S12"]);
  expect(rowsIn("T05, T06: a sentence")).toEqual(["T05", "T06"]);
  expect(rowsIn("a sentence (H10)")).toEqual(["H10"]);
  expect(rowsIn("a sentence of S256 and T1")).toEqual([]);
});

test.each(matrices)(
  "$page has the rows, and says which of them no test shows: npm run test:matrix",
  (matrix) => {
    const published = readPage(
      readFileSync(new URL(`../../${matrix.page}`, import.meta.url), "utf8"),
    );
    expect([...published.keys()]).toEqual(rowsOf(matrix).map(({ id }) => id));
    for (const { id, what, expected, open } of rowsOf(matrix)) {
      const row = published.get(id);
      const [files, verdict] = [row?.files ?? [], row?.verdict];
      expect.soft(row, id).toMatchObject({ what: cell(what), expected: cell(expected) });
      // A page may know less than the tests that were added since, but never more.
      expect.soft(tests.get(id) ?? [], id).toEqual(expect.arrayContaining([...files]));
      const allowed = open === undefined ? ["passed", "partly", "skipped"] : ["partly", "skipped"];
      expect.soft(files.length > 0 ? allowed : ["open"], id).toContain(verdict);
    }
  },
);
