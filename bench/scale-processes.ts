import { cpuOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median } from "./pair.ts";
import { freePort, type Started } from "./process.ts";
import { clientCore, modernCall, serverCore, startGateway, startUpstream } from "./target.ts";

/** The same load on more processes, each with a processor of its own, with everything on. */
export interface ProcessesRow {
  readonly processes: number;
  /** The load and the API share the second processor with the second process. */
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  /** Of all of them. */
  readonly cpuMicros: number;
}

const rounds = 5;
const connections = 32;
const count = 6_000;
const warmUp = 10_000;

/** Clients are spread as a load balancer would: each stays with one process. */
export async function measureProcesses(): Promise<readonly ProcessesRow[]> {
  const address = await freePort();
  const upstream = await startUpstream(`http://127.0.0.1:${address}/mcp`);
  const startOn = async (core: number, port: number): Promise<{ port: number } & Started> => ({
    port,
    ...(await startGateway({ config: "full", port, address, core, upstream })),
  });
  const started = [await startOn(serverCore, address), await startOn(clientCore, await freePort())];
  const token = upstream.tokens[0] ?? "";
  const slice = async (processes: number): Promise<Omit<ProcessesRow, "processes">> => {
    const used = started.slice(0, processes);
    const before = used.map(({ pid }) => cpuOf(pid));
    const startedAt = performance.now();
    const loads = await Promise.all(
      used.map(({ port }) =>
        runLoad({
          port,
          request: modernCall({ port, token }),
          expect: "Item 1",
          connections: connections / processes,
          count: count / processes,
        }),
      ),
    );
    const wallMs = performance.now() - startedAt;
    const spent = used.map(({ pid }, i) => cpuOf(pid) - (before[i] ?? 0));
    return {
      callsPerSecond: count / (wallMs / 1_000),
      p50Ms: median(loads.flatMap(({ latencies }) => [...latencies])),
      cpuMicros: spent.reduce((sum, one) => sum + one, 0) / count,
    };
  };
  try {
    for (const { port } of started) {
      const request = modernCall({ port, token });
      await runLoad({ port, request, expect: "Item 1", connections, count: warmUp });
    }
    const slices = new Map<number, Omit<ProcessesRow, "processes">[]>([
      [1, []],
      [2, []],
    ]);
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`processes, round ${round + 1} of ${rounds} …\n`);
      for (const [processes, all] of slices) all.push(await slice(processes));
    }
    return [...slices].map(([processes, all]) => ({
      processes,
      callsPerSecond: median(all.map(({ callsPerSecond }) => callsPerSecond)),
      p50Ms: median(all.map(({ p50Ms }) => p50Ms)),
      cpuMicros: median(all.map(({ cpuMicros }) => cpuMicros)),
    }));
  } finally {
    await Promise.all(started.map(({ close }) => close()));
    await upstream.close();
  }
}
