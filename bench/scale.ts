import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drawPanels, type Panel } from "./chart.ts";
import { pinSelf } from "./process.ts";
import { describeMachine, printTable } from "./report.ts";
import { measureConnections } from "./scale-connections.ts";
import { measureProcesses } from "./scale-processes.ts";
import { measureReplies } from "./scale-replies.ts";
import { measureStreams } from "./scale-streams.ts";
import { measureTools } from "./scale-tools.ts";
import { updatePage } from "./sections.ts";
import { scaleTables, type ScaleReport } from "./tables.ts";
import { clientCore, startUpstream } from "./target.ts";

/** How cost grows: with tools, with the size of answers, with connections, with who only listens. */
async function measureAll(): Promise<ScaleReport> {
  const upstream = await startUpstream("nobody");
  try {
    return {
      machine: describeMachine(),
      measuredAt: new Date().toISOString(),
      tools: await measureTools([10, 100, 1_000, 5_000]),
      replies: await measureReplies(upstream),
      connections: await measureConnections([1, 4, 16, 64, 256, 1_000]),
      processes: await measureProcesses(),
      streams: await measureStreams(upstream, 10_000),
    };
  } finally {
    await upstream.close();
  }
}

function panelsOf(report: ScaleReport): Readonly<Record<string, readonly Panel[]>> {
  const { tools, replies, connections } = report;
  const along = <Row>(
    rows: readonly Row[],
    x: (row: Row) => number,
    y: (row: Row) => number,
  ): (readonly [number, number])[] => rows.map((row) => [x(row), y(row)]);
  const byTools = (y: (row: (typeof tools)[number]) => number): Panel["series"][number]["points"] =>
    along(tools, (row) => row.tools, y);
  const bySize = (
    limits: (typeof replies)[number]["limits"],
    y: (row: (typeof replies)[number]) => number,
  ): Panel["series"][number]["points"] =>
    along(
      replies.filter((row) => row.limits === limits),
      (row) => row.kb,
      y,
    );
  const byConnections = (
    y: (row: (typeof connections)[number]) => number,
  ): Panel["series"][number]["points"] => along(connections, (row) => row.connections, y);
  return {
    tools: [
      {
        title: "Start and tools/list",
        xLabel: "tools",
        yLabel: "ms",
        series: [
          { name: "start to listening", points: byTools((row) => row.startMs) },
          { name: "first tools/list", points: byTools((row) => row.firstListMs) },
          { name: "later ones, CPU", points: byTools((row) => row.listMicros / 1_000) },
        ],
      },
      {
        title: "Memory",
        xLabel: "tools",
        yLabel: "MB",
        series: [
          { name: "resident, idle", points: byTools((row) => row.rssMb) },
          { name: "resident, after lists", points: byTools((row) => row.listedRssMb) },
          { name: "heap of the gateway", points: byTools((row) => row.heapMb) },
        ],
      },
    ],
    replies: [
      {
        title: "CPU by size of the answer",
        xLabel: "KB of the answer",
        yLabel: "µs per KB",
        series: [
          { name: "default limits", points: bySize("default", (row) => row.microsPerKb) },
          { name: "raised limits", points: bySize("raised", (row) => row.microsPerKb) },
        ],
      },
      {
        title: "What others wait, what memory grows",
        xLabel: "KB of the answer",
        yLabel: "ms, MB",
        series: [
          { name: "default: small call, ms", points: bySize("default", (row) => row.longestMs) },
          { name: "default: memory, MB", points: bySize("default", (row) => row.grownMb) },
          { name: "raised: small call, ms", points: bySize("raised", (row) => row.longestMs) },
          { name: "raised: memory, MB", points: bySize("raised", (row) => row.grownMb) },
        ],
      },
    ],
    connections: [
      {
        title: "Throughput and CPU, everything on",
        xLabel: "connections",
        yLabel: "calls per second, µs",
        series: [
          { name: "calls per second", points: byConnections((row) => row.callsPerSecond) },
          { name: "CPU µs per call", points: byConnections((row) => row.cpuMicros) },
        ],
      },
      {
        title: "Latency, everything on",
        xLabel: "connections",
        yLabel: "ms",
        series: [
          { name: "p50", points: byConnections((row) => row.p50Ms) },
          { name: "p99", points: byConnections((row) => row.p99Ms) },
        ],
      },
    ],
  };
}

const root = join(import.meta.dirname, "..");
pinSelf(clientCore);
const report = await measureAll();
for (const { title, head, rows } of scaleTables(report)) {
  process.stdout.write(`\n${title}\n`);
  printTable(head, rows);
}
await writeFile(join(root, "bench/scale.json"), `${JSON.stringify(report, undefined, 2)}\n`);
const directory = join(root, "docs/performance");
await mkdir(directory, { recursive: true });
for (const [name, panels] of Object.entries(panelsOf(report))) {
  await writeFile(join(directory, `${name}.svg`), drawPanels(panels));
}
updatePage(root);
