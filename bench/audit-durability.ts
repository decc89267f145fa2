import { closeSync, fdatasync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cpuOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median, quantile, warm } from "./pair.ts";
import { freePort, pinSelf } from "./process.ts";
import { describeMachine, printTable } from "./report.ts";
import { clientCore, legacyCall, startGateway, startUpstream, type Target } from "./target.ts";

/** What it costs a call that its record is on the disk, and not only with the system. */
const plan = { pairs: 12, slice: 6_400, connections: 64 };
const warmUp = 20_000;
const maxAddedMs = 2;

pinSelf(clientCore);
const machine = describeMachine();

interface Mode {
  readonly target: Target;
  readonly p50: number[];
  readonly p99: number[];
  readonly micros: number[];
}

async function open(durability: "flushed" | "fsync"): Promise<Mode & Pick<Target, "close">> {
  const port = await freePort();
  const upstream = await startUpstream(`http://127.0.0.1:${port}/mcp`);
  const gateway = await startGateway({ config: "full", port, upstream, durability });
  const [token = ""] = upstream.tokens;
  const target: Target = {
    name: durability,
    pid: gateway.pid,
    port,
    request: legacyCall({ port, token }),
    expect: "Item 1",
    close: async () => {},
  };
  await warm(target, warmUp, plan.connections);
  const close = async (): Promise<void> => {
    await gateway.close();
    await upstream.close();
  };
  return { target, p50: [], p99: [], micros: [], close };
}

async function slice({ target, p50, p99, micros }: Mode): Promise<void> {
  const before = cpuOf(target.pid);
  const { latencies } = await runLoad({
    ...target,
    count: plan.slice,
    connections: plan.connections,
  });
  micros.push((cpuOf(target.pid) - before) / plan.slice);
  p50.push(median(latencies));
  p99.push(quantile(latencies, 0.99));
}

const sync = promisify(fdatasync);

/** The disk by itself, with nothing else at work: a line, and the lines of all connections. */
async function syncs(bytes: number): Promise<readonly number[]> {
  const file = join(tmpdir(), `tollgate-sync-${process.pid}`);
  const fd = openSync(file, "a");
  const lines = Buffer.alloc(bytes, "x");
  const times: number[] = [];
  for (let i = 0; i < 100; i++) {
    writeSync(fd, lines);
    const startedAt = performance.now();
    await sync(fd);
    times.push(performance.now() - startedAt);
  }
  closeSync(fd);
  rmSync(file);
  return times;
}

const lineBytes = 900;
const [flushed, fsync] = [await open("flushed"), await open("fsync")];
const disk = { one: [] as number[], group: [] as number[] };
for (let pair = 0; pair < plan.pairs; pair++) {
  disk.one.push(...(await syncs(lineBytes)));
  disk.group.push(...(await syncs(lineBytes * plan.connections)));
  for (const mode of pair % 2 === 0 ? [flushed, fsync] : [fsync, flushed]) await slice(mode);
}
await flushed.close();
await fsync.close();

const ms = (value: number): string => value.toFixed(2);
const added = fsync.p50.map((value, i) => value - (flushed.p50[i] ?? Number.NaN));
process.stdout.write(
  `${machine.cpu}, Node ${machine.node}, load before ${(machine.load ?? 0).toFixed(1)}; ${plan.connections} concurrent calls\n`,
);
printTable(
  ["", "p50 ms", "p99 ms", "µs of CPU per call"],
  [flushed, fsync].map(({ target: { name }, p50, p99, micros }) => [
    name,
    ms(median(p50)),
    ms(median(p99)),
    median(micros).toFixed(0),
  ]),
);
process.stdout.write(
  `fdatasync alone: ${ms(median(disk.one))} ms for a line (p99 ${ms(quantile(disk.one, 0.99))}), ` +
    `${ms(median(disk.group))} ms for ${plan.connections} (p99 ${ms(quantile(disk.group, 0.99))})\n` +
    `added by fsync, median of ${plan.pairs} pairs: ${ms(median(added))} ms ` +
    `(${ms(quantile(added, 0.1))} to ${ms(quantile(added, 0.9))}), at most ${maxAddedMs}\n`,
);
if (!(median(added) <= maxAddedMs)) process.exitCode = 1;
