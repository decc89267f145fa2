/** Work that is given up when its moment passes; whoever does the work may move that moment. */
export interface Due {
  /** On the clock of `Deadlines`. */
  at: number;
  /** @param why Its moment passed, or all work is to end. */
  readonly expire: (why: "late" | "stopped") => void;
}

export interface Deadlines {
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  readonly add: (due: Due) => void;
  readonly remove: (due: Due) => void;
  /** Ends all work, also what is added later. @returns How much was under way. */
  readonly stopAll: () => number;
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
  let stopped = false;

  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const expire = (): void => {
    const moment = now();
    for (const due of waiting) {
      if (due.at > moment) continue;
      waiting.delete(due);
      due.expire("late");
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
      if (stopped) {
        due.expire("stopped");
        return;
      }
      waiting.add(due);
      timer ??= setInterval(tick, tickMs).unref();
    },
    remove: (due) => void waiting.delete(due),
    stopAll() {
      stopped = true;
      const all = [...waiting];
      waiting.clear();
      for (const due of all) due.expire("stopped");
      return all.length;
    },
    close: stop,
  };
}
