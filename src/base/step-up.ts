/** How a person must have logged in (RFC 9470 §3). */
export interface StepUp {
  /** In order of preference. */
  readonly acrValues: readonly string[];
  /** How long ago at most. */
  readonly maxAgeS: number | undefined;
}
