import { cpuOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import type { Target } from "./target.ts";

export interface PairPlan {
  readonly pairs: number;
  readonly slice: number;
  readonly connections: number;
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
export async function runPairs(floor: Target, target: Target, plan: PairPlan): Promise<PairResult> {
  const ratios: number[] = [];
  const costs = { floor: [] as number[], target: [] as number[] };
  for (let pair = 0; pair < plan.pairs; pair++) {
    const order = pair % 2 === 0 ? [floor, target] : [target, floor];
    const cost = new Map<Target, number>();
    for (const one of order) cost.set(one, await runSlice(one, plan));
    const [below, above] = [cost.get(floor) ?? Number.NaN, cost.get(target) ?? Number.NaN];
    ratios.push(above / below);
    costs.floor.push(below);
    costs.target.push(above);
  }
  return {
    ratio: median(ratios),
    spread: [quantile(ratios, 0.1), quantile(ratios, 0.9)],
    floorMicros: median(costs.floor),
    targetMicros: median(costs.target),
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
