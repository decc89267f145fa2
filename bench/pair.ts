import { cpuOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import type { Target } from "./target.ts";

export interface PairPlan {
  readonly pairs: number;
  readonly slice: number;
  readonly connections: number;
}

/** CPU per call of floor and target in slices that followed each other, in µs. */
export interface Pair {
  readonly floor: number;
  readonly target: number;
}

export interface PairResult {
  /** Median over the pairs of CPU per call of the target / of the floor. */
  readonly ratio: number;
  readonly spread: readonly [number, number];
  /** µs of CPU per call; drift with the machine, unlike the ratio. */
  readonly floorMicros: number;
  readonly targetMicros: number;
}

export async function warm(target: Target, count: number, connections: number): Promise<void> {
  await runLoad({ ...target, count, connections });
}

/** Slices of a fixed count, floor and target in turn, the order swapped at every pair. */
export async function runPairs(
  floor: Target,
  target: Target,
  plan: PairPlan,
): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  while (pairs.length < plan.pairs) {
    if (pairs.length % 2 === 0) {
      const below = await runSlice(floor, plan);
      pairs.push({ floor: below, target: await runSlice(target, plan) });
    } else {
      const above = await runSlice(target, plan);
      pairs.push({ floor: await runSlice(floor, plan), target: above });
    }
  }
  return pairs;
}

export function summarize(pairs: readonly Pair[]): PairResult {
  const ratios = pairs.map(({ floor, target }) => target / floor);
  return {
    ratio: median(ratios),
    spread: [quantile(ratios, 0.1), quantile(ratios, 0.9)],
    floorMicros: median(pairs.map(({ floor }) => floor)),
    targetMicros: median(pairs.map(({ target }) => target)),
  };
}

/** A server that turned requests away has shown nothing; so often a slice may be repeated. */
const maxRepeats = 5;

/** CPU per call of one slice, in µs. */
export async function runSlice(target: Target, plan: Omit<PairPlan, "pairs">): Promise<number> {
  for (let repeats = 0; repeats <= maxRepeats; repeats++) {
    const before = cpuOf(target.pid);
    const { shed } = await runLoad({
      ...target,
      count: plan.slice,
      connections: plan.connections,
    });
    if (shed === 0) return (cpuOf(target.pid) - before) / plan.slice;
  }
  throw new Error(`${target.name} turns calls away: the machine is too busy to measure on`);
}

export function median(values: readonly number[] | Float64Array): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[] | Float64Array, at: number): number {
  const sorted = Float64Array.from(values).toSorted();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}
