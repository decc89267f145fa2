import type { Pressure } from "./pressure.ts";

/** Turns requests away before they cost anything, so that the others are served in time. */
export interface Shedder {
  /** Whether this request is turned away. */
  readonly sheds: () => boolean;
  /** How long it has been turning requests away, ms; 0: it does not. */
  readonly sinceMs: () => number;
  readonly close: () => void;
}

/** When the event loop counts as overloaded. */
export interface SheddingRules {
  /** What one of a hundred turns may be late by in a second. */
  readonly maxLoopDelayMs: number;
  /** How long it may be late before anybody is turned away. */
  readonly afterMs: number;
}

export interface ShedderDeps {
  /** Of this moment. */
  readonly rules: () => SheddingRules;
  readonly now: () => number;
  readonly measure: () => Pressure;
  /** As many calls as may be are under way. */
  readonly isFull: () => boolean;
}

const periodMs = 1_000;
const maxShare = 0.9;
const step = 0.25;
/** Between half the bound and the bound nothing changes: it would swing from one to the other. */
const calmShare = 0.5;

/**
 * Turns away one of four more requests for each second in which the event loop is late, and one of
 * four fewer for each in which it is far from that: all or nothing would swing between idle and
 * overload. The first late seconds count for nothing: a reload takes one, and a machine that somebody
 * else has for a moment gives it back. All are turned away while memory runs out or as many calls as
 * may be are under way.
 */
export function createShedder({ rules, now, measure, isFull }: ShedderDeps): Shedder {
  let share = 0;
  let lateMs = 0;
  let debt = 0;
  let since: number | undefined;

  const look = (): void => {
    const { loopDelayMs, heap, memory } = measure();
    const { maxLoopDelayMs, afterMs } = rules();
    const late = loopDelayMs > maxLoopDelayMs;
    if (late) lateMs += periodMs;
    else if (share === 0) lateMs = 0;
    if (Math.max(heap, memory) > maxShare) share = 1;
    else if (late && lateMs > afterMs) share = Math.min(1, share + step);
    else if (loopDelayMs <= maxLoopDelayMs * calmShare) share = Math.max(0, share - step);
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
