/** A proof that holds in every other way. */
interface ShownProof {
  readonly id: string;
  /** Whose it is. Nobody can take the room of others. */
  readonly holder: string;
}

/** `full`: nobody could tell it from one that was shown before. */
type Showing = "first" | "again" | "full";

/** Proofs that were accepted; outlives a reload, or one could be shown again after it. */
export interface Replays {
  readonly add: (proof: ShownProof, expiresAt: number) => Showing | Promise<Showing>;
}

export interface ReplayRoom {
  readonly entries: number;
  readonly perHolder: number;
}

interface Entry {
  readonly holder: string;
  readonly expiresAt: number;
}

/**
 * In the memory of this process. What can still be shown again is never pushed out: where there is no
 * room left, new proofs are refused until old ones have ended.
 */
export function createReplays({ entries, perHolder }: ReplayRoom, now: () => number): Replays {
  // In the order in which they end: all live equally long.
  const shown = new Map<string, Entry>();
  const counts = new Map<string, number>();

  const forget = (id: string, { holder }: Entry): void => {
    shown.delete(id);
    const left = (counts.get(holder) ?? 0) - 1;
    if (left > 0) counts.set(holder, left);
    else counts.delete(holder);
  };
  return {
    add({ id, holder }, expiresAt) {
      const moment = now();
      for (const [ended, entry] of shown) {
        if (entry.expiresAt > moment) break;
        forget(ended, entry);
      }
      const known = shown.get(id);
      if (known !== undefined) {
        if (known.expiresAt > moment) return "again";
        // The clock was set back in between, and it stands behind one that lives.
        forget(id, known);
      }
      const count = counts.get(holder) ?? 0;
      if (shown.size >= entries || count >= perHolder) return "full";
      shown.set(id, { holder, expiresAt });
      counts.set(holder, count + 1);
      return "first";
    },
  };
}
