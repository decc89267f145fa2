import { expect, test } from "vitest";
import { createCancellation } from "../../src/base/cancel.ts";
import { createBulkhead } from "../../src/limits/bulkhead.ts";

const busy = expect.objectContaining({ code: "busy", message: "full" });

test("whoever leaves makes room for who waited longest", async () => {
  const bulkhead = createBulkhead({ places: 1, queue: 2, queueMs: 60_000 }, "full");
  expect(bulkhead.enter(undefined)).toBeUndefined();
  const order: number[] = [];
  const waiting = [1, 2].map(async (number) => {
    await bulkhead.enter(undefined);
    order.push(number);
    bulkhead.leave();
  });
  expect(() => bulkhead.enter(undefined)).toThrow(busy);
  bulkhead.leave();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2]);
  expect(bulkhead.idle()).toBe(true);
});

test("who waits too long is refused and takes no place", async () => {
  const bulkhead = createBulkhead({ places: 1, queue: 1, queueMs: 10 }, "full");
  void bulkhead.enter(undefined);
  await expect(bulkhead.enter(undefined)).rejects.toThrow(busy);
  bulkhead.leave();
  expect(bulkhead.idle()).toBe(true);
});

test("who gives up waiting takes no place", async () => {
  const bulkhead = createBulkhead({ places: 1, queue: 1, queueMs: 60_000 }, "full");
  void bulkhead.enter(undefined);
  const cancel = createCancellation();
  const waiting = bulkhead.enter(cancel);
  cancel.cancel();
  await expect(waiting).rejects.toThrow(expect.objectContaining({ code: "cancelled" }));
  bulkhead.leave();
  expect(bulkhead.idle()).toBe(true);
});

test("with fewer places after a reload, those inside leave before anybody enters", () => {
  const bulkhead = createBulkhead({ places: 2, queue: 0, queueMs: 10 }, "full");
  void bulkhead.enter(undefined);
  void bulkhead.enter(undefined);
  bulkhead.resize({ places: 1, queue: 0, queueMs: 10 });
  bulkhead.leave();
  expect(() => bulkhead.enter(undefined)).toThrow(busy);
  bulkhead.leave();
  expect(bulkhead.enter(undefined)).toBeUndefined();
});

test("who is cancelled before there is a place does not wait for one", async () => {
  const bulkhead = createBulkhead({ places: 1, queue: 1, queueMs: 60_000 }, "full");
  void bulkhead.enter(undefined);
  const cancellation = createCancellation();
  cancellation.cancel();
  await expect(bulkhead.enter(cancellation)).rejects.toMatchObject({ code: "cancelled" });
  bulkhead.leave();
  expect(bulkhead.idle()).toBe(true);
});

test("with more places after a reload, those who wait are the first to enter", async () => {
  const bulkhead = createBulkhead({ places: 1, queue: 3, queueMs: 60_000 }, "full");
  void bulkhead.enter(undefined);
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (number) => {
    await bulkhead.enter(undefined);
    order.push(number);
  });
  bulkhead.resize({ places: 3, queue: 0, queueMs: 60_000 });
  expect(() => bulkhead.enter(undefined)).toThrow(busy);
  await Promise.all(waiting.slice(0, 2));
  expect(order).toEqual([1, 2]);
  bulkhead.leave();
  await waiting[2];
  for (let left = 3; left > 0; left--) bulkhead.leave();
  expect(bulkhead.idle()).toBe(true);
});
