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
  /** Calls at this moment. */
  readonly underWay: () => number;
}

const periodMs = 1_000;
const maxShare = 0.9;
const step = 0.25;
/** Between half the bound and the bound nothing changes: it would swing from one to the other. */
const calmShare = 0.5;
/** So few calls are never what makes the event loop late. */
const leastCalls = 8;
const growth = 1.25;

/**
 * While the event loop is late, lets half as many calls be under way in each second as there were, and
 * a quarter more in each in which it is far from that: what is let in so keeps the process busy, and
 * no longer than it takes to notice others. Only when it is late with few calls does it turn away one
 * of four more requests for each such second, because then their number says nothing. The first late
 * seconds count for nothing: a reload takes one, and a machine that somebody else has for a moment
 * gives it back. All are turned away while memory runs out or as many calls as may be are under way.
 */
export function createShedder({ rules, now, measure, isFull, underWay }: ShedderDeps): Shedder {
  let allowed = Number.POSITIVE_INFINITY;
  let reached = false;
  let most = 0;
  let share = 0;
  let lateMs = 0;
  let lookedAt = now();
  let debt = 0;
  let since: number | undefined;

  const isOpen = (): boolean => share === 0 && allowed === Number.POSITIVE_INFINITY;
  const ease = (): void => {
    share = Math.max(0, share - step);
    // Whoever comes no nearer needs no bound.
    allowed = reached || share > 0 ? allowed * growth : Number.POSITIVE_INFINITY;
  };
  const tighten = (): void => {
    if (allowed > leastCalls) allowed = Math.max(leastCalls, Math.min(allowed, most) / 2);
    else share = Math.min(1, share + step);
  };
  const look = (): void => {
    const { loopDelayMs, heap, memory } = measure();
    const { maxLoopDelayMs, afterMs } = rules();
    const late = loopDelayMs > maxLoopDelayMs;
    // A loop that is very late is late for this as well.
    const passedMs = Math.max(periodMs, now() - lookedAt);
    lookedAt = now();
    if (late) lateMs += passedMs;
    else if (isOpen()) lateMs = 0;
    if (Math.max(heap, memory) > maxShare) share = 1;
    else if (late && lateMs > afterMs) tighten();
    else if (loopDelayMs <= maxLoopDelayMs * calmShare) ease();
    reached = false;
    most = 0;
    if (isOpen()) since = undefined;
    else since ??= now();
  };
  const timer = setInterval(look, periodMs).unref();
  return {
    sheds() {
      if (isFull()) return true;
      const calls = underWay();
      if (calls > most) most = calls;
      if (calls >= allowed) {
        reached = true;
        return true;
      }
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
