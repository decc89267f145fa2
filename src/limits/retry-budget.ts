/** Keeps retries from multiplying the load on an API that has too much already. */
export interface RetryBudget {
  /** A request that is no retry. */
  readonly earn: () => void;
  /** Whether one more may be sent again. */
  readonly spend: () => boolean;
}

const share = 0.2;
const floor = 3;
/** What a quiet hour saved must not all be spent in a bad minute. */
const maxSaved = 20;

/** One retry for every five requests, and three to begin with. */
export function createRetryBudget(): RetryBudget {
  let saved = floor;
  return {
    earn() {
      saved = Math.min(maxSaved, saved + share);
    },
    spend() {
      if (saved < 1) return false;
      saved--;
      return true;
    },
  };
}
