import type { Records } from "./records.ts";

/** Grants that ended before their time, known to every process that shares the store. */
export interface EndedGrants {
  /** Resolves once the other processes can know it. */
  readonly tell: (grantId: string) => Promise<void>;
  /**
   * Tells of those of the last minutes, from now on of what this process ends at once and of what
   * others end within half a second.
   *
   * @returns How to stop.
   */
  readonly follow: (listener: (grantId: string) => void) => Promise<() => void>;
}

interface Ended {
  readonly grantId: string;
}

const lookMs = 500;
const bucketMs = 60_000;
/** An access token lives for 5 minutes, and at most 2 more by a slow clock. */
const bucketsBack = 8;
/** A writer's clock may be two minutes behind. */
const bucketsLate = 2;
const keptFor = 2 * bucketsBack * bucketMs;

/**
 * A list in rows: one after the other for each minute, each written by who was first (`add`). Who
 * follows reads on from where it was, so a look costs four reads however much was kept, and a
 * process that starts knows what the one before it was told.
 */
export function createEndedGrants(records: Records, now: () => number): EndedGrants {
  const listeners = new Set<(grantId: string) => void>();
  /** The next one to read, by minute. */
  const next = new Map<number, number>();
  /** One after the other: a hole in the list would hide what comes after it. */
  let turn: Promise<void> = Promise.resolve();
  /** Behind what this process wrote last: who follows nobody would look for the end from the start. */
  let mine = { bucket: -1, at: 0 };
  let lookedAt = -1;

  const minute = (): number => Math.floor(now() / bucketMs);
  const hear = (grantId: string): void => {
    for (const listener of listeners) listener(grantId);
  };
  const append = async (grantId: string): Promise<void> => {
    const bucket = minute();
    const ended: Ended = { grantId };
    let at = Math.max(next.get(bucket) ?? 0, mine.bucket === bucket ? mine.at : 0);
    while (!(await records.add("ended", rowOf(bucket, at), ended, now() + keptFor))) at += 1;
    mine = { bucket, at: at + 1 };
  };
  const read = async (bucket: number): Promise<void> => {
    for (let at = next.get(bucket) ?? 0; ; at++) {
      const ended = await records.get<Ended>("ended", rowOf(bucket, at));
      if (ended === undefined) return;
      hear(ended.grantId);
      next.set(bucket, at + 1);
    }
  };
  const look = async (): Promise<void> => {
    const current = minute();
    const first = Math.max(current - bucketsBack, Math.min(lookedAt, current) - bucketsLate);
    // The clock of another replica may be ahead.
    for (let bucket = first; bucket <= current + 1; bucket++) await read(bucket);
    lookedAt = current;
    for (const bucket of next.keys()) if (bucket < first) next.delete(bucket);
  };

  return {
    tell(grantId) {
      hear(grantId);
      const told = turn.then(() => append(grantId));
      turn = told.catch(() => {});
      return told;
    },
    async follow(listener) {
      listeners.add(listener);
      await look();
      let stopped = false;
      let timer: NodeJS.Timeout;
      const lookAgain = async (): Promise<void> => {
        // Who cannot read now reads on in half a second.
        await look().catch(() => {});
        if (!stopped) lookLater();
      };
      const lookLater = (): void => {
        timer = setTimeout(() => void lookAgain(), lookMs);
        timer.unref();
      };
      lookLater();
      return () => {
        stopped = true;
        clearTimeout(timer);
        listeners.delete(listener);
      };
    },
  };
}

function rowOf(bucket: number, at: number): string {
  return `${bucket} ${at}`;
}
