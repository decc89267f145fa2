import { expect, test } from "vitest";
import { createLocalRates } from "../../src/limits/rate.ts";

const rate = { count: 3, periodMs: 6_000 };

test("all of a rate may come at once, the next one waits for its turn", () => {
  let moment = 0;
  const take = createLocalRates(() => moment);
  expect([1, 2, 3].map(() => take("a", rate))).toEqual([0, 0, 0]);
  expect(take("a", rate)).toBe(2_000);
  moment = 1_500;
  expect(take("a", rate)).toBe(500);
  moment = 2_000;
  expect(take("a", rate)).toBe(0);
  expect(take("a", rate)).toBe(2_000);
});

test("what is refused is not counted, and another key is not touched", () => {
  let moment = 0;
  const take = createLocalRates(() => moment);
  for (let i = 0; i < 100; i++) void take("a", rate);
  expect(take("b", rate)).toBe(0);
  moment = 2_000;
  expect(take("a", rate)).toBe(0);
});

test("over an hour no window of six seconds lets more than three and its share through", () => {
  let moment = 0;
  const take = createLocalRates(() => moment);
  let through = 0;
  for (; moment < 3_600_000; moment += 100) if (take("a", rate) === 0) through++;
  expect(through).toBe(3 + 1_799);
});

test("a clock that is set back lets nobody wait for longer than a period", () => {
  let moment = 1_000_000;
  const take = createLocalRates(() => moment);
  for (let i = 0; i < 3; i++) void take("a", rate);
  moment = 0;
  expect(take("a", rate)).toBeLessThanOrEqual(6_000);
});
