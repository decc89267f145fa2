import { auditRows } from "./micro/audit.ts";
import type { MicroRow } from "./micro/row.ts";
import { printTable } from "./report.ts";

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

const audit = await auditRows();
const rows = [yardstick, ...audit.rows];
const unit = await measure(yardstick);
const results: { readonly row: MicroRow; readonly micros: number }[] = [];
for (const row of rows) results.push({ row, micros: await measure(row) });
await audit.close();

printTable(
  ["", "µs", "/ parse of 1 KB", "at most"],
  results.map(({ row, micros }) => [
    row.name,
    micros.toFixed(2),
    (micros / unit).toFixed(2),
    row.atMost.toFixed(2),
  ]),
);
/** Four standard deviations of a quiet machine. */
const tolerance = 1.08;
for (const { row, micros } of results) {
  if (micros / unit > row.atMost * tolerance) {
    process.stdout.write(`over budget: ${row.name}\n`);
    process.exitCode = 1;
  }
}
