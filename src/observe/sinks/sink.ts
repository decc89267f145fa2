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

/** Standard output. Lines that it has not taken count as waiting, so that a stopped reader shows. */
export function createStreamSink(write: (bytes: Uint8Array) => Promise<void>): Sink {
  let waiting = 0;
  let problem: string | undefined;
  let last: Promise<boolean> = Promise.resolve(true);
  return {
    write(bytes) {
      const copy = Buffer.from(bytes);
      waiting += copy.length;
      last = write(copy).then(
        () => {
          waiting -= copy.length;
          problem = undefined;
          return true;
        },
        (cause: unknown) => {
          waiting -= copy.length;
          problem = cause instanceof Error ? cause.message : "cannot be written";
          return false;
        },
      );
      return last;
    },
    waitingBytes: () => waiting,
    problem: () => problem,
    async close() {
      await last;
    },
  };
}
