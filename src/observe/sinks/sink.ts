import type { Ports } from "../../base/ports.ts";
import { within } from "../../base/within.ts";

/** One place that gets every line of the audit log, in order. */
export interface Sink {
  /**
   * @param bytes Whole lines; the memory is used again afterwards.
   * @returns Whether they are where `audit.durability` wants them. `false`: they wait inside for the
   *   sink to recover.
   */
  readonly write: (bytes: Buffer) => boolean | Promise<boolean>;
  /** Bytes that it could not get rid of yet. */
  readonly waitingBytes: () => number;
  /** Why nothing can be written at the moment. */
  readonly problem: () => string | undefined;
  readonly close: () => Promise<void>;
}

/** A reader that takes nothing for so long has stopped. */
const stoppedMs = 2_000;
/** What it has not taken then is told to be lost. */
const closeMs = 3_000;

/** Standard output. Lines that it has not taken count as waiting, so that a stopped reader shows. */
export function createStreamSink(
  write: (bytes: Uint8Array) => Promise<void>,
  { now, log }: Ports,
): Sink {
  let waiting = 0;
  /** Since when nothing was taken, while something waits. */
  let since = now();
  let problem: string | undefined;
  let last: Promise<boolean> = Promise.resolve(true);
  const isStopped = (): boolean => waiting > 0 && now() - since >= stoppedMs;
  const took = (bytes: number, failure: string | undefined): boolean => {
    waiting -= bytes;
    since = now();
    problem = failure;
    return failure === undefined;
  };
  return {
    write(bytes) {
      const copy = Buffer.from(bytes);
      const stopped = isStopped();
      if (waiting === 0) since = now();
      waiting += copy.length;
      last = write(copy).then(
        () => took(copy.length, undefined),
        (cause: unknown) =>
          took(copy.length, cause instanceof Error ? cause.message : "cannot be written"),
      );
      // Each call would wait as long as the first did.
      return stopped ? false : last;
    },
    waitingBytes: () => waiting,
    problem: () => problem ?? (isStopped() ? "standard output is not read" : undefined),
    async close() {
      await within(closeMs, last, false);
      if (waiting > 0) log.error("audit_records_lost", { bytes: waiting });
    },
  };
}
