/** One test of one row, as it ran. */
export interface Ran {
  /** Below the repository's root. */
  readonly file: string;
  readonly sentence: string;
  readonly state: "passed" | "failed" | "skipped";
  /** Why it was skipped. */
  readonly reason: string | undefined;
  /** What it measured or saw, in its own words. */
  readonly observed: readonly string[];
}

export type Results = ReadonlyMap<string, readonly Ran[]>;
