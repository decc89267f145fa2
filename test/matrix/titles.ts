import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

const id = "(?:S10\\d|[STHKBOFR]\\d{2})(?!\\d)";
/** A title begins with the rows that it shows: `S12 …`, `T05, T06: …`. */
const atStart = new RegExp(`^${id}(?:,? ${id})*(?=[: ])`);
/** Or it ends with them: `… (H10)`. */
const atEnd = new RegExp(`\\((${id}(?:, ${id})*)\\)$`);
const each = new RegExp(id, "g");
const inTable = new RegExp(`["\`](${id}(?:,? ${id})*)(?=["\`: ])`, "g");

/** Beginning and end of every title, of a test or a group, that vitest shall run for the matrices. */
export const titlePattern: RegExp = new RegExp(
  `(?:^|[> ])${id}(?:,? ${id})*[: ]|\\(${id}(?:, ${id})*\\)(?:$|[> ])`,
);

/** The rows that a title names. */
export function rowsIn(title: string): readonly string[] {
  const named = `${atStart.exec(title)?.[0] ?? ""} ${atEnd.exec(title)?.[1] ?? ""}`;
  return named.match(each) ?? [];
}

/** What a title says beside its rows. */
export function sentenceOf(title: string): string {
  return title.replace(atStart, "").replace(atEnd, "").replace(/^:/, "").trim();
}

/** Row to the test files, below the repository's root, that name it in a title. */
export function findTests(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  for (const file of testFiles()) {
    const source = readFileSync(file, "utf8");
    for (const row of [...titlesOf(source).flatMap(rowsIn), ...namedInTables(source)]) {
      const files = found.get(row) ?? new Set();
      found.set(row, files.add(relative(root, file)));
    }
  }
  return new Map([...found].map(([row, files]) => [row, [...files].toSorted()]));
}

function testFiles(): readonly string[] {
  const folder = join(root, "test");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && !/node_modules|^matrix\b/.test(name))
    .map((name) => join(folder, name));
}

/** What is written as the title of a test or a group: the last text before its function. */
function titlesOf(source: string): readonly string[] {
  const titles = source.matchAll(
    /\(\s*(?:"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`),\s*(?:async\s*)?(?:\(|\{|function)/g,
  );
  return [...titles].map(([, quoted, template]) => quoted ?? template ?? "");
}

/** Tables of tests whose title begins with `%s` or `$id` have the row at the start of a text. */
function namedInTables(source: string): readonly string[] {
  return [...source.matchAll(inTable)].flatMap(([, rows = ""]) => rows.match(each) ?? []);
}
