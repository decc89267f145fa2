import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./report.ts";
import {
  callsTable,
  microTable,
  peersTables,
  scaleTables,
  type CallsReport,
  type MicroReport,
  type PeersReport,
  type ScaleReport,
  type Table,
} from "./tables.ts";

/** Brings the tables of docs/performance.md up to date with the results files. */
export function updatePage(root: string): void {
  const page = join(root, "docs/performance.md");
  writeFileSync(page, fillSections(readFileSync(page, "utf8"), join(root, "bench")));
}

/** What stands between `<!-- name -->` and `<!-- /name -->`, from the results files in `bench`. */
export function fillSections(text: string, bench: string): string {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(bench, file), "utf8"));
  const calls = read("results.json") as CallsReport;
  const peers = read("peers/results.json") as PeersReport;
  const scale = read("scale.json") as ScaleReport;
  const micro = read("micro.json") as MicroReport;
  const sections = {
    calls: render(calls, [callsTable(calls)]),
    peers: render(peers, peersTables(peers)),
    scale: render(scale, scaleTables(scale)),
    micro: render(micro, [microTable(micro)]),
  };
  let filled = text;
  for (const [name, section] of Object.entries(sections)) {
    const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [start, end] = [filled.indexOf(open), filled.indexOf(close)];
    if (start === -1 || end < start) throw new Error(`the page has no section ${name}`);
    filled = `${filled.slice(0, start + open.length)}\n\n${section}\n\n${filled.slice(end)}`;
  }
  return filled;
}

function render(
  report: { readonly machine: Machine; readonly measuredAt?: string },
  tables: readonly Table[],
): string {
  const { node, cpu, cores, memoryGiB, load } = report.machine;
  const facts = [`Node ${node}`, cpu, `${cores} cores`, `${memoryGiB} GiB`];
  if (load !== undefined) facts.push(`load of other programs ${load.toFixed(1)}`);
  if (report.measuredAt !== undefined) facts.push(report.measuredAt.slice(0, 10));
  const line = `${facts.join(", ")}.`;
  return [line, ...tables.map(renderTable)].join("\n\n");
}

/** As the formatter writes it; the title is the head of the first column where that has none. */
function renderTable({ title, head, rows }: Table): string {
  const [first = "", ...others] = head;
  const all = [[first || title, ...others], ...rows].map((row) =>
    row.map((cell) => cell.replaceAll("|", "\\|")),
  );
  const widths = head.map((_, i) => Math.max(4, ...all.map((row) => (row[i] ?? "").length)));
  const rule = widths.map((width, i) =>
    i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  const [top = "", ...lines] = all.map(
    (row) => `| ${widths.map((width, i) => pad(row[i] ?? "", width, i)).join(" | ")} |`,
  );
  const table = [top, `| ${rule.join(" | ")} |`, ...lines].join("\n");
  return first === "" ? table : `${title}:\n\n${table}`;
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
