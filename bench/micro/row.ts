/** One step of the hot path, in this process. */
export interface MicroRow {
  readonly name: string;
  /** Times the parse of a fixed 1 KB JSON. */
  readonly atMost: number;
  /** Steps of one measurement. */
  readonly count: number;
  readonly run: (count: number) => void | Promise<void>;
}
