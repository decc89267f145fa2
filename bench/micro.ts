import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { auditRows } from "./micro/audit.ts";
import { credentialRows } from "./micro/credential.ts";
import { metricRows } from "./micro/metrics.ts";
import { roadRows } from "./micro/road.ts";
import type { MicroRow } from "./micro/row.ts";
import { describeMachine, printTable } from "./report.ts";
import { updatePage } from "./sections.ts";
import { microTable, type MicroReport } from "./tables.ts";

/** Of these, the least counts: a neighbour on the machine can only add. */
const rounds = 7;

/** 1 KB as an API answers it; parsing it is the yardstick that two machines share. */
const kilobyte: string = JSON.stringify({
  items: Array.from({ length: 12 }, (_, id) => ({
    id,
    name: `Item ${id}`,
    text: "as long as a description is",
    price: id * 1.5,
  })),
});

const yardstick: MicroRow = {
  name: "JSON.parse of 1 KB",
  atMost: 1,
  count: 20_000,
  run(count) {
    for (let i = 0; i < count; i++) JSON.parse(kilobyte);
  },
};

/** µs of CPU per step, all threads. */
async function measure({ count, run }: MicroRow): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    await run(count);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / count);
  }
  return least;
}

const made = { machine: describeMachine(), measuredAt: new Date().toISOString() };
const road = await roadRows();
const audit = await auditRows();
const credentials = await credentialRows();
const rows = [yardstick, ...road.rows, ...audit.rows, ...metricRows(), ...credentials.rows];
const unit = await measure(yardstick);
const results: MicroReport["rows"][number][] = [];
for (const row of rows) {
  const micros = await measure(row);
  results.push({ name: row.name, micros, ratio: micros / unit, atMost: row.atMost });
}
await audit.close();
await road.close();
credentials.close();

const report: MicroReport = { ...made, rows: results };
const { head, rows: shown } = microTable(report);
printTable(head, shown);
const root = join(import.meta.dirname, "../..");
await writeFile(join(root, "bench/micro.json"), `${JSON.stringify(report, undefined, 2)}\n`);
updatePage(root);

/** Four standard deviations of a quiet machine. */
const tolerance = 1.08;
for (const { name, ratio, atMost } of results) {
  if (ratio > atMost * tolerance) {
    process.stdout.write(`over budget: ${name}\n`);
    process.exitCode = 1;
  }
}
