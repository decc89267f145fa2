import type { Pressure } from "./pressure.ts";

/** Turns requests away before they cost anything, so that the others are served in time. */
export interface Shedder {
  /** Whether this request is turned away. */
  readonly sheds: () => boolean;
  /** How long it has been turning requests away, ms; 0: it does not. */
  readonly sinceMs: () => number;
  readonly close: () => void;
}

export interface ShedderDeps {
  readonly now: () => number;
  readonly measure: () => Pressure;
  /** As many calls as may be are under way. */
  readonly isFull: () => boolean;
}

const periodMs = 1_000;
const maxLoopDelayMs = 250;
const maxShare = 0.9;
const step = 0.25;

/**
 * Turns away one of four more requests for each second in which the event loop is late, and one of
 * four fewer for each in which it is not: all or nothing would swing between idle and overload. The
 * first late second counts for nothing, because a reload takes one. All are turned away while memory
 * runs out or as many calls as may be are under way.
 */
export function createShedder({ now, measure, isFull }: ShedderDeps): Shedder {
  let share = 0;
  let wasLate = false;
  let debt = 0;
  let since: number | undefined;

  const look = (): void => {
    const { loopDelayMs, heap, memory } = measure();
    const late = loopDelayMs > maxLoopDelayMs;
    if (Math.max(heap, memory) > maxShare) share = 1;
    else if (!late) share = Math.max(0, share - step);
    else if (wasLate) share = Math.min(1, share + step);
    wasLate = late;
    if (share === 0) since = undefined;
    else since ??= now();
  };
  const timer = setInterval(look, periodMs).unref();
  return {
    sheds() {
      if (isFull()) return true;
      if (share === 0) return false;
      debt += share;
      if (debt < 1) return false;
      debt--;
      return true;
    },
    sinceMs: () => (since === undefined ? 0 : now() - since),
    close: () => clearInterval(timer),
  };
}
