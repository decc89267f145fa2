import { expect, test } from "vitest";

import type { ByteStore } from "../../src/base/byte-store.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const textOf = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString();

/** What every store of bytes promises; each implementation runs it. */
export function describeByteStore(
  open: () => Promise<{
    readonly store: ByteStore;
    readonly forward: (ms: number) => void;
    readonly now: () => number;
  }>,
): void {
  test("what was put is there until it is replaced or deleted", async () => {
    const { store, forward } = await open();
    await store.put("row/a", bytes("one"));
    expect(textOf(await store.get("row/a"))).toBe("one");
    await store.put("row/a", bytes("two"));
    forward(10 * 365 * 86_400_000);
    expect(textOf(await store.get("row/a"))).toBe("two");
    await store.delete("row/a");
    expect(await store.get("row/a")).toBeUndefined();
    await store.delete("row/a");
  });

  test("any bytes come back as they were, none included", async () => {
    const { store } = await open();
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    await store.put("row/all", all);
    await store.put("row/none", new Uint8Array());
    expect([...((await store.get("row/all")) ?? [])]).toEqual([...all]);
    expect((await store.get("row/none"))?.length).toBe(0);
  });

  test("of all that add at the same time one is told that it was the first", async () => {
    const { store, now } = await open();
    const told = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.add("used/x", bytes(String(i)), now() + 600_000)),
    );
    expect(told.filter(Boolean)).toHaveLength(1);
    expect(textOf(await store.get("used/x"))).toBe(String(told.indexOf(true)));
  });

  test("what was added ends, and can then be added again", async () => {
    const { store, forward, now } = await open();
    expect(await store.add("used/x", bytes("1"), now() + 1_000)).toBe(true);
    forward(999);
    expect(await store.add("used/x", bytes("2"), now() + 1_000)).toBe(false);
    forward(1);
    expect(await store.get("used/x")).toBeUndefined();
    expect(await store.add("used/x", bytes("3"), now() + 1_000)).toBe(true);
    expect(textOf(await store.get("used/x"))).toBe("3");
  });

  test("a list has the keys with a prefix that have not ended", async () => {
    const { store, forward, now } = await open();
    await store.put("row/a", bytes("1"));
    await store.put("row/b", bytes("2"));
    await store.put("other/a", bytes("3"));
    await store.add("row/ends", bytes("4"), now() + 1_000);
    expect((await store.list("row/")).toSorted()).toEqual(["row/a", "row/b", "row/ends"]);
    forward(1_000);
    expect((await store.list("row/")).toSorted()).toEqual(["row/a", "row/b"]);
    expect(await store.list("nothing/")).toEqual([]);
  });
}
