/** Keeps retries from multiplying the load on an API that has too much already. */
export interface RetryBudget {
  /** A request that is no retry. */
  readonly earn: () => void;
  /** Whether one more may be sent again. */
  readonly spend: () => boolean;
}

/** Requests that pay for one retry. */
const price = 5;
const advance = 3 * price;
/** What a quiet hour saved must not all be spent in a bad minute. */
const maxSaved = 20 * price;

/**
 * One retry for every five requests. The first three are lent, because an API that is asked seldom
 * has earned nothing yet; the next fifteen requests pay them back, so that over time an API never
 * sees more than 1.2 times what it was asked.
 */
export function createRetryBudget(): RetryBudget {
  let saved = advance;
  let owed = advance;
  return {
    earn() {
      if (owed > 0) owed--;
      else if (saved < maxSaved) saved++;
    },
    spend() {
      if (saved < price) return false;
      saved -= price;
      return true;
    },
  };
}
