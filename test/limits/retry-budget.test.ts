import { expect, test } from "vitest";
import { createRetryBudget } from "../../src/limits/retry-budget.ts";

test.each([1, 10, 1_000, 100_000])(
  "of %i failing requests at most a fifth is repeated",
  (count) => {
    const budget = createRetryBudget();
    let retries = 0;
    for (let i = 0; i < count; i++) {
      budget.earn();
      if (budget.spend()) retries++;
    }
    expect(retries).toBeLessThanOrEqual(3 + count / 5);
  },
);

test("a long good time saves no more than twenty", () => {
  const budget = createRetryBudget();
  for (let i = 0; i < 10_000; i++) budget.earn();
  let retries = 0;
  while (budget.spend()) retries++;
  expect(retries).toBe(20);
});
