import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuOf, rssOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import type { Measured } from "./measure.ts";
import { freePort } from "./process.ts";
import { writeSmallGateway } from "./small-document.ts";
import { listRequest, startConfig } from "./target.ts";

/** What a gateway costs by the number of its tools. */
export interface ToolsRow {
  readonly tools: number;
  /** From `node` to listening; the least of the starts. */
  readonly startMs: number;
  readonly rssMb: number;
  /** Of the finished gateway, without what the program itself holds. */
  readonly heapMb: number;
  readonly listKb: number;
  /** The first `tools/list`, which makes what later ones send. */
  readonly firstListMs: number;
  /** CPU of a later one. */
  readonly listMicros: number;
  /** Resident memory after them. */
  readonly listedRssMb: number;
}

const starts = 3;
const lists = 200;

export async function measureTools(counts: readonly number[]): Promise<readonly ToolsRow[]> {
  const directory = await mkdtemp(join(tmpdir(), "tollgate-bench-"));
  try {
    const rows: ToolsRow[] = [];
    for (const count of counts) {
      process.stderr.write(`${count} tools …\n`);
      rows.push(await measureOne(directory, count));
    }
    return rows;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function measureOne(directory: string, tools: number): Promise<ToolsRow> {
  const port = await freePort();
  const file = await writeSmallGateway(directory, tools, port);
  let startMs = Number.POSITIVE_INFINITY;
  for (let i = 1; i < starts; i++) {
    const { gateway, ms } = await timedStart(file);
    startMs = Math.min(startMs, ms);
    await gateway.close();
  }
  const { gateway, ms } = await timedStart(file);
  try {
    const rssMb = rssOf(gateway.pid) / 2 ** 20;
    const load = { port, connections: 1, request: listRequest(port), expect: '"tools":[{' };
    const first = await runLoad({ ...load, count: 1 });
    await runLoad({ ...load, count: lists / 2 });
    const before = cpuOf(gateway.pid);
    const { bytes } = await runLoad({ ...load, count: lists });
    return {
      tools,
      startMs: Math.min(startMs, ms),
      rssMb,
      heapMb: heapOf(file),
      listKb: bytes / lists / 1024,
      firstListMs: first.latencies[0] ?? Number.NaN,
      listMicros: (cpuOf(gateway.pid) - before) / lists,
      listedRssMb: rssOf(gateway.pid) / 2 ** 20,
    };
  } finally {
    await gateway.close();
  }
}

async function timedStart(
  file: string,
): Promise<{ readonly gateway: Awaited<ReturnType<typeof startConfig>>; readonly ms: number }> {
  const startedAt = performance.now();
  const gateway = await startConfig(file, {});
  return { gateway, ms: performance.now() - startedAt };
}

function heapOf(file: string): number {
  const args = ["--expose-gc", join(import.meta.dirname, "measure.js"), file];
  return (JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Measured)
    .heapMb;
}
