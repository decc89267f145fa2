import { expect, test } from "vitest";
import { createRetryBudget } from "../../src/limits/retry-budget.ts";

test.each([1, 10, 15, 16, 19, 20, 1_000, 100_000])(
  "of %i failing requests at most a fifth is repeated, and three at least",
  (count) => {
    const budget = createRetryBudget();
    let retries = 0;
    for (let i = 0; i < count; i++) {
      budget.earn();
      if (budget.spend()) retries++;
    }
    expect(retries).toBe(Math.min(count, Math.max(3, Math.floor(count / 5))));
  },
);

test("a long good time saves no more than twenty", () => {
  const budget = createRetryBudget();
  for (let i = 0; i < 10_000; i++) budget.earn();
  let retries = 0;
  while (budget.spend()) retries++;
  expect(retries).toBe(20);
});
