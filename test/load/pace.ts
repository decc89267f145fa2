import { setTimeout as sleep } from "node:timers/promises";

/** Calls that are made at a steady rate, whatever becomes of the earlier ones. */
export interface Pace<T> {
  /** Made so far. */
  readonly made: () => number;
  /** Makes no more, and gives how all of them ended. */
  readonly stop: () => Promise<{ readonly ends: readonly T[]; readonly perSecond: number }>;
}

const turnMs = 10;

/** @param make One call; must not fail. */
export function startPace<T>(perSecond: number, make: (nth: number) => Promise<T>): Pace<T> {
  const startedAt = performance.now();
  const calls: Promise<T>[] = [];
  const state = { running: true };
  const run = async (): Promise<void> => {
    while (state.running) {
      const due = ((performance.now() - startedAt) / 1_000) * perSecond;
      while (calls.length < due) calls.push(make(calls.length));
      await sleep(turnMs);
    }
  };
  const done = run();
  return {
    made: () => calls.length,
    async stop() {
      state.running = false;
      await done;
      const seconds = (performance.now() - startedAt) / 1_000;
      return { ends: await Promise.all(calls), perSecond: calls.length / seconds };
    },
  };
}
