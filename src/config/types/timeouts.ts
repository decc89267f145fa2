/** How long an API may take. */
export interface TimeoutsConfig {
  /** For a connection to be there, without TLS. */
  readonly connectMs: number;
  /** From sending to the head of the answer. */
  readonly headersMs: number;
  /** Between two pieces of its body. */
  readonly idleMs: number;
  /** For all of it, every attempt included. */
  readonly totalMs: number;
}
