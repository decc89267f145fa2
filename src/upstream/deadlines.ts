/** Work that is given up when its moment passes; whoever does the work may move that moment. */
export interface Due {
  /** On the clock of `Deadlines`. */
  at: number;
  readonly expire: () => void;
}

export interface Deadlines {
  /** Milliseconds of a clock that never jumps. */
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
 * @param now Milliseconds of a monotonic clock; only differences count.
 */
export function createDeadlines(now: () => number): Deadlines {
  const waiting = new Set<Due>();
  let timer: NodeJS.Timeout | undefined;

  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const expire = (): void => {
    const moment = now();
    for (const due of waiting) {
      if (due.at > moment) continue;
      waiting.delete(due);
      due.expire();
    }
  };
  const tick = (): void => {
    // After a pause of the process timers come first, before what has arrived meanwhile is read.
    if (waiting.size > 0) setImmediate(expire);
    else stop();
  };
  return {
    now,
    add(due) {
      waiting.add(due);
      timer ??= setInterval(tick, tickMs).unref();
    },
    remove: (due) => void waiting.delete(due),
    close: stop,
  };
}
