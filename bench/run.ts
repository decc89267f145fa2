import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pinSelf, freePort } from "./process.ts";
import { median, quantile, runPairs, summarize, warm, type Pair, type PairResult } from "./pair.ts";
import { runLoad } from "./load.ts";
import { describeMachine, printTable } from "./report.ts";
import {
  clientCore,
  legacyCall,
  modernCall,
  startFloor,
  startGateway,
  startUpstream,
  type Target,
} from "./target.ts";

/** CPU per call, as a ratio to the floor. */
const budgets: readonly { readonly name: string; readonly atMost: number }[] = [
  { name: "checks off, 2025", atMost: 1.05 },
  { name: "checks off, 2026", atMost: 1.05 },
  { name: "everything on, 2025", atMost: 1.3 },
  { name: "everything on, 2026", atMost: 1.3 },
];

/** Times the hot lane's own cost: the SDK lane must stay dearer, as a witness that the lane pays. */
const witness = { name: "SDK lane, 2026", hot: "checks off, 2026", atLeast: 6 } as const;

/** Four standard deviations of a quiet machine. */
const tolerance = 1.08;
const gate = process.argv.includes("--gate");
/**
 * One process differs from the next of the same program by up to 7 %, which no number of slices
 * tells: so each round starts the floor and the gateways anew.
 */
const plan = { rounds: gate ? 3 : 5, pairs: 6, slice: 2_500, connections: 16 };
const warmUp = 20_000;

interface Subject {
  readonly name: string;
  readonly config: "checks-off" | "full";
  readonly era: "2025" | "2026";
  /** So much dearer that a few pairs tell it. */
  readonly sdkLane?: boolean;
}

const subjects: readonly Subject[] = [
  { name: "checks off, 2025", config: "checks-off", era: "2025" },
  { name: "checks off, 2026", config: "checks-off", era: "2026" },
  { name: "everything on, 2025", config: "full", era: "2025" },
  { name: "everything on, 2026", config: "full", era: "2026" },
  { name: "SDK lane, 2026", config: "checks-off", era: "2026", sdkLane: true },
];

interface Row extends PairResult {
  readonly name: string;
  /** ms at one connection, above the floor's. */
  readonly addedP50: number;
  readonly addedP99: number;
}

interface Samples {
  readonly pairs: Pair[];
  readonly p50: { readonly below: number; readonly above: number }[];
  readonly p99: { readonly below: number; readonly above: number }[];
}

pinSelf(clientCore);
const ports = { "checks-off": await freePort(), full: await freePort() };
const upstream = await startUpstream(`http://127.0.0.1:${ports.full}/mcp`);
const [token = ""] = upstream.tokens;

function targetOf({ name, config, era, sdkLane = false }: Subject, pid: number): Target {
  const port = ports[config];
  const form = { port, unusual: sdkLane, ...(config === "full" ? { token } : {}) };
  const request = era === "2025" ? legacyCall(form) : modernCall(form);
  return { name, pid, port, request, expect: "Item 1", close: async () => {} };
}

/** The floor reads the same bytes as the gateway: what a client sends is not the gateway's price. */
async function sample(floor: Target, target: Target, few: boolean, into: Samples): Promise<void> {
  const below = { ...floor, request: target.request };
  await warm(target, few ? warmUp / 4 : warmUp, plan.connections);
  const { pairs } = plan;
  into.pairs.push(...(await runPairs(below, target, { ...plan, pairs: few ? 2 : pairs })));
  // One connection, slices in turn: what a single caller waits longer than at the floor.
  for (let turn = 0; turn < (gate ? 0 : 2); turn++) {
    const alone = { count: 500, connections: 1 };
    const one = (await runLoad({ ...below, ...alone })).latencies;
    const other = (await runLoad({ ...target, ...alone })).latencies;
    into.p50.push({ below: median(one), above: median(other) });
    into.p99.push({ below: quantile(one, 0.99), above: quantile(other, 0.99) });
  }
}

async function runRound(samples: ReadonlyMap<Subject, Samples>): Promise<void> {
  const floor = await startFloor(upstream);
  const off = await startGateway({ config: "checks-off", port: ports["checks-off"], upstream });
  const full = await startGateway({ config: "full", port: ports.full, upstream });
  try {
    await warm(floor, warmUp, plan.connections);
    for (const [subject, into] of samples) {
      process.stderr.write(`  ${subject.name}\n`);
      const { pid } = subject.config === "full" ? full : off;
      await sample(floor, targetOf(subject, pid), subject.sdkLane === true, into);
    }
  } finally {
    await Promise.all([off.close(), full.close(), floor.close()]);
  }
}

function summarizeRow(name: string, { pairs, p50, p99 }: Samples): Row {
  // The least of the turns: a neighbour on the machine can only add.
  const least = (values: readonly number[]): number => Math.min(...values);
  return {
    name,
    ...summarize(pairs),
    addedP50: median(p50.map(({ below, above }) => above - below)),
    addedP99: least(p99.map(({ above }) => above)) - least(p99.map(({ below }) => below)),
  };
}

function rowOf(rows: readonly Row[], name: string): Row {
  const row = rows.find((one) => one.name === name);
  if (row === undefined) throw new TypeError(`nobody measured ${name}`);
  return row;
}

/** What the SDK lane costs, in hot lanes. */
function timesHot(rows: readonly Row[]): number {
  return rowOf(rows, witness.name).ratio / rowOf(rows, witness.hot).ratio;
}

/** What is over its budget, allowing for so many times as much. */
function overBudget(rows: readonly Row[], allowance: number): string[] {
  const found = budgets
    .filter(({ name, atMost }) => !(rowOf(rows, name).ratio <= atMost * allowance))
    .map(({ name, atMost }) => `${name}: ${rowOf(rows, name).ratio.toFixed(3)} for ${atMost}`);
  const times = timesHot(rows);
  if (!(times >= witness.atLeast / allowance)) {
    found.push(`${witness.name}: ${times.toFixed(2)} of the hot lane for ${witness.atLeast}`);
  }
  return found;
}

async function measureAll(): Promise<{ readonly rows: readonly Row[]; readonly found: string[] }> {
  const samples = new Map<Subject, Samples>();
  for (const subject of subjects) samples.set(subject, { pairs: [], p50: [], p99: [] });
  for (let round = 1; round <= plan.rounds; round++) {
    process.stderr.write(`round ${round} of ${plan.rounds}\n`);
    await runRound(samples);
  }
  const rows = [...samples].map(([{ name }, got]) => summarizeRow(name, got));
  return { rows, found: overBudget(rows, tolerance) };
}

try {
  let result = await measureAll();
  if (gate && result.found.length > 0) {
    process.stderr.write(`once more: ${result.found.join("; ")}\n`);
    result = await measureAll();
  }
  printTable(
    ["", "CPU / floor", "10–90 %", "µs per call", "floor µs", "added p50 ms", "added p99 ms"],
    result.rows.map((row) => [
      row.name,
      row.ratio.toFixed(3),
      row.spread.map((value) => value.toFixed(2)).join("–"),
      row.targetMicros.toFixed(1),
      row.floorMicros.toFixed(1),
      gate ? "" : row.addedP50.toFixed(3),
      gate ? "" : row.addedP99.toFixed(3),
    ]),
  );
  if (!gate) {
    const file = join(import.meta.dirname, "../bench/results.json");
    const text = JSON.stringify(
      { machine: describeMachine(), plan, rows: result.rows },
      undefined,
      2,
    );
    await writeFile(file, `${text}\n`);
  }
  for (const line of overBudget(result.rows, 1)) process.stdout.write(`over budget: ${line}\n`);
  if (gate && result.found.length > 0) process.exitCode = 1;
} finally {
  await upstream.close();
}
