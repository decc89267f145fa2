import { createCache } from "../base/cache.ts";

/** So many within any such time; all of them may come at once. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/**
 * Counts one for this key.
 *
 * @returns Milliseconds until it would be let through; 0: it is.
 */
export type TakeRate = (key: string, rate: Rate) => number | Promise<number>;

export type LocalRates = (key: string, rate: Rate) => number;

/** One who is silent that long is forgotten earlier than that many others. */
const maxKeys = 100_000;

/**
 * In the memory of this process, by the generic cell rate algorithm: one number a key, the moment at
 * which all that was let through would have come evenly.
 */
export function createLocalRates(now: () => number): LocalRates {
  const arrivals = createCache<number>(maxKeys, now);
  return (key, { count, periodMs }) => {
    const moment = now();
    const interval = periodMs / count;
    // No further ahead than ever possible: the clock may have been set back since.
    const due = Math.min(Math.max(arrivals.get(key) ?? moment, moment), moment + periodMs);
    const waitMs = due - (periodMs - interval) - moment;
    if (waitMs > 0) return waitMs;
    arrivals.set(key, due + interval, due + interval);
    return 0;
  };
}
