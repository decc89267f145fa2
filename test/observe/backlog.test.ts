import { expect, test } from "vitest";
import { createBacklog } from "../../src/observe/backlog.ts";

test.each([
  { waiting: 60, records: 6 },
  // A part of a write that is not taken may be any of its records.
  { waiting: 59, records: 6 },
  { waiting: 51, records: 6 },
  { waiting: 50, records: 5 },
  { waiting: 31, records: 5 },
  { waiting: 30, records: 3 },
  { waiting: 1, records: 3 },
  { waiting: 0, records: 0 },
])("$waiting bytes that wait are of the last $records records", ({ waiting, records }) => {
  const backlog = createBacklog();
  backlog.add(1, 10);
  backlog.add(2, 20);
  backlog.add(3, 30);
  expect(backlog.records(waiting)).toBe(records);
  expect(backlog.isEmpty()).toBe(records === 0);
});

test("what was taken is never counted again", () => {
  const backlog = createBacklog();
  backlog.add(1, 10);
  expect(backlog.records(0)).toBe(0);
  backlog.add(2, 20);
  expect(backlog.records(20)).toBe(2);
});
