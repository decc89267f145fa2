import { dirname, relative } from "node:path";
import type { Ran, Results } from "./results.ts";
import { type Matrix, type Row, rowsOf } from "./row.ts";

/** `partly`: what is tested holds, and the row says what is not tested or does not hold. */
type Verdict = "passed" | "partly" | "failed" | "skipped" | "open";

/** Where and when a matrix was made. */
export interface Made {
  readonly commit: string;
  readonly date: string;
  readonly node: string;
}

const sentencesShown = 4;

export function renderPage(matrix: Matrix, results: Results, made: Made): string {
  const { title, about, sections, heading } = matrix;
  const ran = (row: Row): readonly Ran[] => results.get(row.id) ?? [];
  const counts = countOf(rowsOf(matrix).map((row) => verdictOf(row, ran(row))));
  const tables = sections.map((section) => {
    const rows = section.rows.map((row) => renderRow(row, ran(row), matrix.page));
    return `## ${section.title}

| Id | ${heading} | Expected | Observed | Result |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
  });
  return `# ${title}

${about}

Made by \`npm run test:matrix\` from the tests whose titles name a row: ${made.date}, commit \`${made.commit}\`, Node
${made.node}. \`passed\`: every test of the row passed. \`partly\`: what is tested holds, and the row says what is
not tested or does not hold. \`skipped\`: a part that the test needs is not on that machine. \`open\`: no test yet.

${counts}

${tables.join("\n")}`;
}

/** What a page says of each row, for comparing it with the tests that exist. */
export interface Published {
  readonly what: string;
  readonly expected: string;
  readonly verdict: string;
  readonly files: readonly string[];
}

export function readPage(text: string): ReadonlyMap<string, Published> {
  const rows = text.matchAll(/^\| ([A-Z]\d+) \| (.*?) \| (.*?) \| (.*) \| (\w+) \|$/gm);
  return new Map(
    [...rows].map(([, id = "", what = "", expected = "", observed = "", verdict = ""]) => {
      const files = [...observed.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, file = ""]) => file);
      return [id, { what, expected, verdict, files }];
    }),
  );
}

function verdictOf({ open }: Row, ran: readonly Ran[]): Verdict {
  const states = new Set(ran.map(({ state }) => state));
  if (states.has("failed")) return "failed";
  if (states.has("passed")) {
    return open !== undefined || states.has("skipped") ? "partly" : "passed";
  }
  return states.has("skipped") ? "skipped" : "open";
}

function renderRow(row: Row, ran: readonly Ran[], page: string): string {
  const observed = [
    ...[...groupBy(ran, ({ file }) => file)].map(([file, of]) => renderFile(file, of, page)),
    ...(row.open === undefined ? [] : [`Not shown: ${row.open}.`]),
  ];
  const cells = [
    row.id,
    cell(row.what),
    cell(row.expected),
    observed.join("<br>"),
    verdictOf(row, ran),
  ];
  return `| ${cells.join(" | ")} |`;
}

function renderFile(file: string, ran: readonly Ran[], page: string): string {
  const passed = [
    ...new Set(ran.filter(({ state }) => state === "passed").map(({ sentence }) => sentence)),
  ];
  const shown = passed.slice(0, sentencesShown).map(cell);
  const more = passed.length > shown.length ? [`and ${passed.length - shown.length} more`] : [];
  const measured = ran.flatMap(({ observed }) => observed).map((text) => `**${cell(text)}**`);
  const failed = ran
    .filter(({ state }) => state === "failed")
    .map(({ sentence }) => `FAILED: ${cell(sentence)}`);
  const skipped = new Set(
    ran
      .filter(({ state }) => state === "skipped")
      .map(({ reason }) => `skipped: ${cell(reason ?? "no reason given")}`),
  );
  const link = `[${file.replace(/^test\//, "").replace(/\.test\.ts$/, "")}](${relative(dirname(page), file)})`;
  return `${link}: ${[...shown, ...more, ...measured, ...failed, ...skipped].join("; ")}`;
}

function groupBy<T, K>(items: readonly T[], key: (item: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function countOf(verdicts: readonly Verdict[]): string {
  const counts = groupBy(verdicts, (verdict) => verdict);
  const order: readonly Verdict[] = ["passed", "partly", "failed", "skipped", "open"];
  const told = order.map((verdict) => `${counts.get(verdict)?.length ?? 0} ${verdict}`);
  return `${verdicts.length} rows: ${told.join(", ")}.`;
}

/** One line of a table, whatever a title holds. */
export function cell(text: string): string {
  return text
    .replaceAll(
      /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
      (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
    )
    .replaceAll("|", "\\|")
    .replaceAll("<", "&lt;");
}
