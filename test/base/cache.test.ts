import { expect, test } from "vitest";
import { createCache } from "../../src/base/cache.ts";

test("a cache that was never written to answers like an empty one", () => {
  const cache = createCache<number>(2, () => 0);
  expect(cache.get("a")).toBeUndefined();
  expect(cache.size()).toBe(0);
  expect([...cache.entries()]).toEqual([]);
  cache.delete("a");
  cache.deleteAll(() => true);
  expect(cache.size()).toBe(0);
});

test("entries end at their moment, and the least recently used one makes room", () => {
  let now = 0;
  const evicted: string[] = [];
  const cache = createCache<number>(
    2,
    () => now,
    (key) => evicted.push(key),
  );
  cache.set("over", 0, 0);
  expect(cache.size()).toBe(0);
  cache.set("a", 1, 10);
  cache.set("b", 2, 20);
  expect(cache.get("a")).toBe(1);
  cache.set("c", 3, 30);
  expect(evicted).toEqual(["b"]);
  now = 10;
  expect(cache.get("a")).toBeUndefined();
  expect([...cache.entries()]).toEqual([["c", 3]]);
});
