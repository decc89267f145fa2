/** Work that is given up when its moment passes; whoever does the work may move that moment. */
export interface Due {
  /** On the clock of `Deadlines`. */
  at: number;
  /** Among those that wait; undefined: it does not. Only `Deadlines` writes it. */
  slot: number | undefined;
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
 * They wait in an array and not in a Set, whose tables point to the one that follows them: once a
 * table is old, everything that was ever waiting behind it would outlive every quick collection.
 *
 * @param now Milliseconds of a monotonic clock; only differences count.
 */
export function createDeadlines(now: () => number): Deadlines {
  const waiting: Due[] = [];
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  /** The last one takes the place of one that leaves. */
  const remove = (due: Due): void => {
    const { slot } = due;
    if (slot === undefined) return;
    due.slot = undefined;
    const last = waiting.pop();
    if (last === undefined || last === due) return;
    waiting[slot] = last;
    last.slot = slot;
  };
  const expire = (): void => {
    const moment = now();
    // What one of them does may take others away.
    for (const due of waiting.filter(({ at }) => at <= moment)) {
      if (due.slot === undefined) continue;
      remove(due);
      due.expire("late");
    }
  };
  const tick = (): void => {
    // After a pause of the process timers come first, before what has arrived meanwhile is read.
    if (waiting.length > 0) setImmediate(expire);
    else stop();
  };
  return {
    now,
    add(due) {
      if (stopped) {
        due.expire("stopped");
        return;
      }
      due.slot = waiting.push(due) - 1;
      timer ??= setInterval(tick, tickMs).unref();
    },
    remove,
    stopAll() {
      stopped = true;
      const all = waiting.splice(0);
      for (const due of all) {
        due.slot = undefined;
        due.expire("stopped");
      }
      return all.length;
    },
    close: stop,
  };
}
