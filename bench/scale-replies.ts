import { fork } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { callInTurn, type Calls } from "./caller.ts";
import { cpuOf, resetPeak, peakRssOf, rssOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median } from "./pair.ts";
import { freePort } from "./process.ts";
import { legacyCall, startFloor, startGateway, type Upstream } from "./target.ts";

/** What an answer costs by its size, and what others wait meanwhile. */
export interface RepliesRow {
  /** Raised: `limits.responseSize: 32MiB`, `maxTokens: 1000000`. */
  readonly limits: Limits;
  /** Of the API's answer, and of the reply to the client, which is cut or refused beyond limits. */
  readonly kb: number;
  readonly replyKb: number;
  readonly calls: number;
  /** CPU for each KB of the API's answer; what the floor takes to pass it on, as nothing but text. */
  readonly microsPerKb: number;
  readonly floorMicrosPerKb: number | null;
  readonly p50Ms: number;
  /** What the most memory held during the calls exceeds that before them. */
  readonly grownMb: number;
  /** The longest that a small call beside them waited, and what it waits alone (p50). */
  readonly longestMs: number;
  readonly aloneMs: number;
  /** The longest that the gateway's event loop says it was late meanwhile. */
  readonly lateMs: number;
}

type Limits = "default" | "raised";

interface Size {
  readonly limits: Limits;
  readonly kb: number;
  /** Those that count, after as many that do not: for small ones, until they are compiled. */
  readonly calls: number;
  /** It is larger than an answer may be. */
  readonly refused?: boolean;
}

const sizes: readonly Size[] = [
  { limits: "default", kb: 1, calls: 2_000 },
  { limits: "default", kb: 100, calls: 400 },
  { limits: "default", kb: 1_000, calls: 100 },
  { limits: "default", kb: 20_000, calls: 50, refused: true },
  { limits: "raised", kb: 1_000, calls: 100 },
  { limits: "raised", kb: 20_000, calls: 20 },
];
const rounds = 3;
/** Of `maxTokens`, less what may be cut before the first item that does not fit. */
const mostText: Readonly<Record<Limits, number>> = { default: 95_000, raised: 3_900_000 };
/** The event loop looks how late it is so often; what it says includes that. */
const lateEveryMs = 20;

export async function measureReplies(upstream: Upstream): Promise<readonly RepliesRow[]> {
  const rows: RepliesRow[] = [];
  for (const size of sizes) {
    process.stderr.write(`replies of ${size.kb} KB, ${size.limits} limits …\n`);
    rows.push(await measureOne(upstream, size));
  }
  return rows;
}

async function measureOne(upstream: Upstream, size: Size): Promise<RepliesRow> {
  const { limits, kb, calls, refused = false } = size;
  const [port, adminPort] = [await freePort(), await freePort()];
  const gateway = await startGateway({ config: `${limits}-limits`, port, adminPort, upstream });
  try {
    const bytes = kb * 1_000;
    const atLeast = refused ? 100 : Math.min(bytes, mostText[limits]);
    const small = legacyCall({ port });
    const large = legacyCall({ port, name: "get_bytes", args: { count: bytes } });
    const warm = { port, connections: 1, count: 2_000, request: small, expect: "Item 1" };
    const alone = await runLoad(warm);
    const plan = { port, request: large, atLeast, refused };
    await callInTurn(plan, calls);
    const before = { cpu: cpuOf(gateway.pid), rss: rssOf(gateway.pid) };
    resetPeak(gateway.pid);
    const answers = await callInTurn(plan, calls);
    const cpu = cpuOf(gateway.pid) - before.cpu;
    const grown = peakRssOf(gateway.pid) - before.rss;
    // The least of the rounds: a neighbour on the machine can only add.
    let [longestMs, lateMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < rounds; round++) {
      await readLateMs(adminPort);
      longestMs = Math.min(longestMs, await longestBeside(plan, calls));
      lateMs = Math.min(lateMs, await readLateMs(adminPort));
    }
    return {
      limits,
      kb,
      replyKb: median(answers.map((answer) => answer.bytes)) / 1_000,
      calls,
      microsPerKb: cpu / calls / (bytes / 1_024),
      floorMicrosPerKb: refused ? null : await measureFloor(upstream, size),
      p50Ms: median(answers.map(({ ms }) => ms)),
      grownMb: grown / 2 ** 20,
      longestMs,
      aloneMs: median(alone.latencies),
      lateMs,
    };
  } finally {
    await gateway.close();
  }
}

/** @returns How long the longest small call took beside `count` large ones, in ms. */
async function longestBeside(plan: Calls, count: number): Promise<number> {
  const file = join(import.meta.dirname, "small-caller.js");
  const beside = fork(file, [String(plan.port)]);
  goFirst(beside.pid);
  await once(beside, "message");
  await callInTurn(plan, count);
  beside.send("stop");
  const [longest] = (await once(beside, "message")) as [number];
  return longest;
}

/** Before who sends and who takes the large answers: they share a core, and it waits for the gateway. */
function goFirst(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_HIGH);
  } catch {
    // Only root may: then its time holds theirs.
  }
}

/** The gauge begins again with each reading. */
async function readLateMs(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const seconds = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1];
  if (seconds === undefined) throw new TypeError("the gateway does not say how late it was");
  return Math.max(0, Number(seconds) * 1_000 - lateEveryMs);
}

async function measureFloor(upstream: Upstream, { kb, calls }: Size): Promise<number> {
  const bytes = kb * 1_000;
  const floor = await startFloor(upstream, { path: `/bytes/${bytes}` });
  try {
    const plan = { port: floor.port, request: floor.request, atLeast: bytes, refused: false };
    await callInTurn(plan, calls);
    const before = cpuOf(floor.pid);
    await callInTurn(plan, calls);
    return (cpuOf(floor.pid) - before) / calls / (bytes / 1_024);
  } finally {
    await floor.close();
  }
}
