import type { CancelSignal } from "../base/cancel.ts";
import { CallError } from "../base/errors.ts";

/** How many may be inside, and how many may wait for how long when that many are. */
export interface BulkheadSize {
  readonly places: number;
  readonly queue: number;
  readonly queueMs: number;
}

/** Keeps what is slow from taking the places of what is not. */
export interface Bulkhead {
  /** undefined: inside at once. @throws CallError `busy`, `cancelled` */
  readonly enter: (cancel: CancelSignal | undefined) => Promise<void> | undefined;
  readonly leave: () => void;
  /** Nobody is inside. */
  readonly idle: () => boolean;
  /** After a reload: who is inside stays, also where fewer places are left; new ones are for who waits. */
  readonly resize: (size: BulkheadSize) => void;
}

interface Waiter {
  readonly admit: () => void;
}

/** @param busy What a call reads that finds no place. */
export function createBulkhead(initial: BulkheadSize, busy: string): Bulkhead {
  let size = initial;
  let inside = 0;
  const waiting = new Set<Waiter>();

  const wait = (cancel: CancelSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      // Not there yet while a call that is cancelled already ends at once.
      let forget: (() => void) | undefined;
      const end = (): void => {
        waiting.delete(waiter);
        clearTimeout(timer);
        forget?.();
      };
      const waiter: Waiter = {
        admit() {
          end();
          resolve();
        },
      };
      const timer = setTimeout(() => {
        end();
        reject(new CallError("busy", busy));
      }, size.queueMs);
      waiting.add(waiter);
      forget = cancel?.onCancel(() => {
        end();
        reject(new CallError("cancelled", "The call was cancelled."));
      });
    });
  return {
    enter(cancel) {
      if (inside < size.places) {
        inside++;
        return undefined;
      }
      if (waiting.size >= size.queue) throw new CallError("busy", busy);
      return wait(cancel);
    },
    leave() {
      // The place goes from hand to hand, so that nobody who comes now is before who waits.
      const [next] = inside > size.places ? [] : waiting;
      if (next === undefined) inside--;
      else next.admit();
    },
    idle: () => inside === 0,
    resize(next) {
      size = next;
      for (const waiter of waiting) {
        if (inside >= size.places) break;
        inside++;
        waiter.admit();
      }
    },
  };
}
