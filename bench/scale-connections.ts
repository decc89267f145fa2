import { cpuOf, rssOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median, quantile } from "./pair.ts";
import { freePort } from "./process.ts";
import { modernCall, startGateway, startUpstream } from "./target.ts";

/** The same load on more connections, with everything on. */
export interface ConnectionsRow {
  readonly connections: number;
  readonly callsPerSecond: number;
  /** The least of the rounds: a neighbour on the machine can only add. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicros: number;
  readonly rssMb: number;
}

const rounds = 3;
const warmUp = 10_000;

export async function measureConnections(
  levels: readonly number[],
): Promise<readonly ConnectionsRow[]> {
  const port = await freePort();
  const upstream = await startUpstream(`http://127.0.0.1:${port}/mcp`);
  const gateway = await startGateway({ config: "full", port, upstream });
  const request = modernCall({ port, token: upstream.tokens[0] ?? "" });
  const load = { port, request, expect: "Item 1" };
  const rows: ConnectionsRow[] = [];
  try {
    await runLoad({ ...load, connections: 16, count: warmUp });
    for (const connections of levels) {
      process.stderr.write(`${connections} connections …\n`);
      const count = connections === 1 ? 1_500 : Math.max(4_000, connections * 8);
      const slices: Omit<ConnectionsRow, "connections" | "rssMb">[] = [];
      for (let round = 0; round < rounds; round++) {
        const before = cpuOf(gateway.pid);
        const { latencies, wallMs } = await runLoad({ ...load, connections, count });
        slices.push({
          callsPerSecond: count / (wallMs / 1_000),
          p50Ms: median(latencies),
          p99Ms: quantile(latencies, 0.99),
          cpuMicros: (cpuOf(gateway.pid) - before) / count,
        });
      }
      rows.push({
        connections,
        callsPerSecond: median(slices.map(({ callsPerSecond }) => callsPerSecond)),
        p50Ms: Math.min(...slices.map(({ p50Ms }) => p50Ms)),
        p99Ms: Math.min(...slices.map(({ p99Ms }) => p99Ms)),
        cpuMicros: median(slices.map(({ cpuMicros }) => cpuMicros)),
        rssMb: rssOf(gateway.pid) / 2 ** 20,
      });
    }
    return rows;
  } finally {
    await gateway.close();
    await upstream.close();
  }
}
