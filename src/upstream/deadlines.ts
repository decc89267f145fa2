/** Work that is given up when its moment passes; whoever does the work may move that moment. */
export interface Due {
  /** On the clock of `Deadlines`. */
  at: number;
  readonly expire: () => void;
}

export interface Deadlines {
  /** Milliseconds of a clock that never jumps, at most one tick old. */
  readonly now: () => number;
  readonly add: (due: Due) => void;
  readonly remove: (due: Due) => void;
  readonly close: () => void;
}

const tickMs = 25;

/**
 * Deadlines that pass at most a tick late. One timer serves all: a timer per request, and another
 * for each phase of it, would cost more than the rest of sending.
 *
 * @param monotonic Milliseconds; only differences count.
 */
export function createDeadlines(monotonic: () => number): Deadlines {
  const waiting = new Set<Due>();
  let timer: NodeJS.Timeout | undefined;
  let clock = monotonic();

  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const tick = (): void => {
    if (waiting.size === 0) {
      stop();
      return;
    }
    clock = monotonic();
    for (const due of waiting) {
      if (due.at > clock) continue;
      waiting.delete(due);
      due.expire();
    }
  };
  return {
    now() {
      if (timer === undefined) clock = monotonic();
      return clock;
    },
    add(due) {
      waiting.add(due);
      timer ??= setInterval(tick, tickMs).unref();
    },
    remove: (due) => void waiting.delete(due),
    close: stop,
  };
}
