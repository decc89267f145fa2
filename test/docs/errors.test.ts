import { describe, expect, test } from "vitest";
import { codes, logEvents } from "./codes.ts";
import { readPage } from "./pages.ts";

const sections = readPage("docs/errors.md").text.split(/^## /m);

/** The cells of the table below this heading. */
function rowsBelow(heading: string): readonly (readonly string[])[] {
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

describe.each(Object.entries({ ...codes, "Log events": logEvents }))("%s", (heading, source) => {
  const rows = rowsBelow(heading);

  test("every code of the source is explained, and no other", () => {
    const explained = rows.map(([code = ""]) => code.replaceAll("`", ""));
    expect(explained).toEqual([...new Set(source)].toSorted());
  });

  test("every row says who sees it, what it means and what to do", () => {
    const whole = rows.filter((cells) => cells.length === 4 && cells.every((cell) => cell !== ""));
    expect(whole).toEqual(rows);
  });
});
