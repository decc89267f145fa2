import type { CancelSignal } from "../base/cancel.ts";
import { CallError } from "../base/errors.ts";

/** Ends early when nobody waits any more. @throws CallError `cancelled` */
export function pause(ms: number, cancel: CancelSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      forget?.();
      resolve();
    }, ms);
    const forget = cancel?.onCancel(() => {
      clearTimeout(timer);
      reject(new CallError("cancelled", "The call was cancelled."));
    });
  });
}
