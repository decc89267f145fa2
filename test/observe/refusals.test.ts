import { afterEach, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { nobody, type Note } from "../../src/observe/record/event.ts";
import { createRefusals } from "../../src/observe/refusals.ts";

afterEach(() => {
  vi.useRealTimers();
});

function refused(action: string, detail: string): Note {
  return {
    ...nobody,
    event: "broker.action",
    transport: "http",
    outcome: "denied",
    reason: "invalid_client",
    detail: { broker: { action, detail } },
  };
}

test("of each action and reason 50 a second are recorded, all others counted by what they have in common", () => {
  vi.useFakeTimers();
  const written: (JsonObject | undefined)[] = [];
  const note = ({ detail }: Note): void => void written.push(detail);
  const refusals = createRefusals({ note }, { now: () => Date.now() });
  for (let i = 0; i < 60; i++) refusals.note(refused("refuse", `from ${i}`));
  for (let i = 0; i < 51; i++) refusals.note(refused("register", `from ${i}`));
  const single = (action: string): JsonObject[] =>
    Array.from({ length: 50 }, (_, i) => ({ broker: { action, detail: `from ${i}` } }));
  expect(written).toEqual([...single("refuse"), ...single("register")]);
  vi.advanceTimersByTime(1_000);
  expect(written.slice(100)).toEqual([
    { broker: { action: "refuse" }, count: 10 },
    { broker: { action: "register" }, count: 1 },
  ]);
  expect(vi.getTimerCount()).toBe(0);
});
