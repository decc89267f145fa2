/** One thing that can go wrong or be tried, and what must come of it. */
export interface Row {
  /** Stable; tests carry it in their titles. */
  readonly id: string;
  /** What is done to the gateway. */
  readonly what: string;
  readonly expected: string;
  /** What of `expected` no test shows, and why: such a row is never called passed. */
  readonly open?: string;
}

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** One published page. */
export interface Matrix {
  readonly page: string;
  readonly title: string;
  readonly about: string;
  /** Heading of the column `what`. */
  readonly heading: string;
  readonly sections: readonly Section[];
}

export const rowsOf = ({ sections }: Matrix): readonly Row[] =>
  sections.flatMap(({ rows }) => rows);
