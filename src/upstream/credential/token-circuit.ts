import { TokenFailure } from "./token-failure.ts";

const maxFailures = 5;
const openMs = 10_000;
const maxRetryAfterMs = 60_000;

/** Spares a token endpoint that is down or asks for a pause. One per client of the gateway. */
export interface TokenCircuit {
  /** @throws TokenFailure `circuit_open`, with the time left. */
  readonly admit: () => void;
  readonly succeeded: () => void;
  readonly failed: (retryAfterMs: number | undefined) => void;
}

/**
 * Opens for 10 s after 5 failures in a row; then one request at a time tries until one succeeds.
 * `Retry-After` is obeyed from the first failure on, for at most a minute.
 */
export function createTokenCircuit(now: () => number): TokenCircuit {
  let failures = 0;
  let openUntil = 0;
  let pauseUntil = 0;
  return {
    admit() {
      const left = Math.max(openUntil, pauseUntil) - now();
      if (left > 0) throw new TokenFailure("circuit_open", { retryAfterMs: left });
      // The caller becomes the probe; the others wait for what it finds, or another 10 s.
      if (failures >= maxFailures) openUntil = now() + openMs;
    },
    succeeded() {
      failures = 0;
      openUntil = 0;
    },
    failed(retryAfterMs) {
      failures += 1;
      if (failures >= maxFailures) openUntil = now() + openMs;
      if (retryAfterMs !== undefined)
        pauseUntil = Math.max(pauseUntil, now() + Math.min(retryAfterMs, maxRetryAfterMs));
    },
  };
}
