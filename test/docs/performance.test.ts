import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { fillSections } from "../../bench/sections.ts";

const root = new URL("../../", import.meta.url);

test("the tables of docs/performance.md are those of the results files: npm run bench:docs", () => {
  const page = readFileSync(new URL("docs/performance.md", root), "utf8");
  expect(fillSections(page, fileURLToPath(new URL("bench", root)))).toBe(page);
  expect(page.match(/^\| .*everything on/gm)?.length).toBeGreaterThan(3);
});

test("a page without a section is an error, not a page that is never brought up to date", () => {
  const bench = fileURLToPath(new URL("bench", root));
  expect(() => fillSections("<!-- calls -->\n<!-- /calls -->", bench)).toThrow(/section peers/);
});
