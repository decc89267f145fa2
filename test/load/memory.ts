import { readdirSync, readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Program } from "../cli/program.ts";

/** What a process holds at a moment. */
export interface Sample {
  /** ms */
  readonly at: number;
  /** Bytes that are left when garbage has been collected, buffers included, without machine code. */
  readonly heap: number;
  /** Bytes of machine code. */
  readonly code: number;
  /** Bytes of the process in memory. */
  readonly resident: number;
  readonly descriptors: number;
}

/** Looks into a process that was started with its environment. */
export interface Memory {
  readonly env: Readonly<Record<string, string>>;
  readonly sample: (program: Program) => Promise<Sample>;
}

const preload = fileURLToPath(new URL("collect.mjs", import.meta.url));

interface MemoryOptions {
  /** For files of its own. */
  readonly dir: string;
  /**
   * The heap is only what the program keeps: its objects, texts and buffers. The engine keeps what it
   * learns about code beside them, which goes on growing for an hour. Takes a second.
   */
  readonly objects?: boolean;
}

export function createMemory({ dir, objects = false }: MemoryOptions): Memory {
  const file = join(dir, "heap.txt");
  const snapshot = join(dir, "heap.heapsnapshot");
  const read = (): readonly string[] => {
    try {
      return readFileSync(file, "utf8").split("\n").slice(0, -1);
    } catch {
      return [];
    }
  };
  return {
    env: {
      NODE_OPTIONS: `--import=${preload}`,
      HEAP_FILE: file,
      LEAK: process.env["LEAK"] ?? "0",
      ...(objects ? { SNAPSHOT: snapshot } : {}),
    },
    async sample({ child }) {
      const { length } = read();
      child.kill("SIGUSR2");
      let lines = read();
      while (lines.length === length) {
        const end = child.exitCode ?? child.signalCode;
        if (end !== null) throw new Error(`ended with ${end}`);
        await sleep(5);
        lines = read();
      }
      const [all = Number.NaN, code = Number.NaN] = (lines.at(-1) ?? "").split(" ").map(Number);
      const heap = objects ? await sizeOfObjects(snapshot) : all - code;
      return { at: Date.now(), heap, code, ...look(child.pid ?? 0) };
    },
  };
}

/** Kinds of things in a snapshot that are the engine's own. */
const engine: ReadonlySet<string> = new Set(["code", "hidden", "object shape"]);

interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[], ...unknown[]];
    };
  };
  readonly nodes: readonly number[];
}

async function sizeOfObjects(file: string): Promise<number> {
  const { snapshot, nodes } = JSON.parse(await readFile(file, "utf8")) as Snapshot;
  await rm(file);
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, size] = [fields.indexOf("type"), fields.indexOf("self_size")];
  let sum = 0;
  for (let at = 0; at < nodes.length; at += fields.length) {
    const kind = types[0][nodes[at + type] ?? 0] ?? "";
    if (!engine.has(kind)) sum += nodes[at + size] ?? 0;
  }
  return sum;
}

/** What can be seen from outside. */
export function look(pid: number): Pick<Sample, "resident" | "descriptors"> {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return { resident: kilobytes * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** How fast a number grows, by least squares. */
export interface Growth {
  readonly perHour: number;
  /** The standard error of it: what is twice as far away is told from it by 39 of 40 runs. */
  readonly error: number;
}

export function growthOf(samples: readonly Sample[], of: (sample: Sample) => number): Growth {
  const sum = (read: (sample: Sample) => number): number =>
    samples.reduce((total, one) => total + read(one), 0);
  const at = sum((one) => one.at) / samples.length;
  const value = sum(of) / samples.length;
  const spread = sum((one) => (one.at - at) ** 2);
  const slope = sum((one) => (one.at - at) * (of(one) - value)) / spread;
  const rest = sum((one) => (of(one) - value - slope * (one.at - at)) ** 2);
  const error = Math.sqrt(rest / (samples.length - 2) / spread);
  return { perHour: slope * 3_600_000, error: error * 3_600_000 };
}

/** Connections that were let go need a moment to be gone: the least within so many seconds. */
export async function fewestDescriptors(
  { child }: Program,
  { atMost, seconds }: { readonly atMost: number; readonly seconds: number },
): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < seconds * 5 && fewest > atMost; i++) {
    fewest = Math.min(fewest, look(child.pid ?? 0).descriptors);
    await sleep(200);
  }
  return fewest;
}

export const inMiB = (bytes: number): number => Math.round((bytes / 1024 / 1024) * 10) / 10;

/** What a slope is made of. */
export function tenths(samples: readonly Sample[]): string {
  return Array.from({ length: 11 }, (_, i) => samples[Math.round((i * (samples.length - 1)) / 10)])
    .map((sample) => inMiB(sample?.heap ?? 0))
    .join(" ");
}
