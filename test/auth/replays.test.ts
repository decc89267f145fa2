import fc from "fast-check";
import { expect, test } from "vitest";
import { createReplays } from "../../src/auth/replays.ts";

const lifeMs = 121_000;

test("what can still be shown again stays, however many others come", () => {
  const clock = { ms: 0 };
  const replays = createReplays({ entries: 100, perHolder: 100 }, () => clock.ms);
  expect(replays.add({ id: "captured", holder: "alice" }, lifeMs)).toBe("first");
  const flood = Array.from({ length: 1_000 }, (_, i) =>
    replays.add({ id: `${i}`, holder: "eve" }, lifeMs),
  );
  expect(flood.filter((showing) => showing === "first")).toHaveLength(99);
  expect(flood.filter((showing) => showing === "full")).toHaveLength(901);
  expect(replays.add({ id: "captured", holder: "alice" }, lifeMs)).toBe("again");
  clock.ms = lifeMs - 1;
  expect(replays.add({ id: "captured", holder: "alice" }, 2 * lifeMs)).toBe("again");
  expect(replays.add({ id: "new", holder: "alice" }, 2 * lifeMs)).toBe("full");
  clock.ms = lifeMs;
  expect(replays.add({ id: "new", holder: "alice" }, 2 * lifeMs)).toBe("first");
});

test("nobody takes the room of others, and what ended makes room", () => {
  const clock = { ms: 0 };
  const replays = createReplays({ entries: 100, perHolder: 10 }, () => clock.ms);
  const show = (id: string, holder: string): unknown =>
    replays.add({ id, holder }, clock.ms + lifeMs);
  const eve = Array.from({ length: 11 }, (_, i) => show(`e${i}`, "eve"));
  expect(eve).toEqual([...Array.from({ length: 10 }, () => "first"), "full"]);
  expect(show("a", "alice")).toBe("first");
  clock.ms = lifeMs / 2;
  expect([show("b", "bob"), show("e11", "eve")]).toEqual(["first", "full"]);
  clock.ms = lifeMs;
  expect([show("e11", "eve"), show("a", "alice"), show("b", "bob")]).toEqual([
    "first",
    "first",
    "again",
  ]);
});

test("a clock that goes back lets nothing be shown twice", () => {
  const clock = { ms: lifeMs };
  const replays = createReplays({ entries: 10, perHolder: 10 }, () => clock.ms);
  const show = (id: string): unknown => replays.add({ id, holder: "h" }, clock.ms + lifeMs);
  expect(show("late")).toBe("first");
  clock.ms = 0;
  expect(show("early")).toBe("first");
  expect([show("late"), show("early")]).toEqual(["again", "again"]);
  // It has ended, behind one that has not.
  clock.ms = lifeMs + 1;
  expect([show("early"), show("early"), show("late")]).toEqual(["first", "again", "again"]);
});

test("as a model with endless memory, but for what is refused", () => {
  const one = fc.record({
    id: fc.integer({ min: 0, max: 30 }),
    holder: fc.integer({ min: 0, max: 4 }),
    afterMs: fc.integer({ min: 0, max: 40_000 }),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 200 }), (shown) => {
      const clock = { ms: 0 };
      const replays = createReplays({ entries: 12, perHolder: 5 }, () => clock.ms);
      const live = new Map<string, { readonly holder: string; readonly until: number }>();
      for (const { id, holder, afterMs } of shown) {
        clock.ms += afterMs;
        for (const [key, { until }] of live) if (until <= clock.ms) live.delete(key);
        const proof = { id: `${holder} ${id}`, holder: String(holder) };
        const own = [...live.values()].filter((entry) => entry.holder === proof.holder);
        const full = live.size >= 12 || own.length >= 5;
        const expected = live.has(proof.id) ? "again" : full ? "full" : "first";
        expect(replays.add(proof, clock.ms + lifeMs)).toBe(expected);
        if (expected === "first")
          live.set(proof.id, { holder: proof.holder, until: clock.ms + lifeMs });
      }
    }),
  );
});
