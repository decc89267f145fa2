import { onTestFinished, expect, test, vi } from "vitest";
import type { Pressure } from "../../src/limits/pressure.ts";
import { createShedder, type Shedder, type SheddingRules } from "../../src/limits/shedder.ts";

const calm: Pressure = { loopDelayMs: 10, heap: 0.5, memory: 0.5 };

interface Made {
  readonly shedder: Shedder;
  readonly state: { pressure: Pressure; full: boolean; calls: number };
  readonly pass: (seconds: number) => void;
  /** Of a hundred requests. */
  readonly shed: () => number;
}

function make(rules: SheddingRules = { maxLoopDelayMs: 250, afterMs: 1_000 }): Made {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
  const state = { pressure: calm, full: false, calls: 0 };
  const shedder = createShedder({
    rules: () => rules,
    now: () => Date.now(),
    measure: () => state.pressure,
    isFull: () => state.full,
    underWay: () => state.calls,
  });
  onTestFinished(() => {
    shedder.close();
    vi.useRealTimers();
  });
  return {
    shedder,
    state,
    pass: (seconds) => void vi.advanceTimersByTime(seconds * 1_000),
    shed: () => Array.from({ length: 100 }, () => shedder.sheds()).filter(Boolean).length,
  };
}

test("one late second turns nobody away: a reload takes one", () => {
  const { state, pass, shed } = make();
  state.pressure = { ...calm, loopDelayMs: 400 };
  pass(1);
  expect(shed()).toBe(0);
  state.pressure = calm;
  pass(1);
  state.pressure = { ...calm, loopDelayMs: 400 };
  pass(1);
  expect(shed()).toBe(0);
});

/** How many calls may be under way before one more is turned away; undefined: as many as come. */
function bound({ state, shedder }: Made): number | undefined {
  for (state.calls = 0; state.calls < 1_000; state.calls++) {
    if (shedder.sheds()) return state.calls;
  }
  return undefined;
}

test("each further late second lets half as many calls be under way, each good one a quarter more", () => {
  const made = make();
  const { state, pass, shedder } = made;
  const late = { ...calm, loopDelayMs: 251 };
  state.pressure = late;
  pass(1);
  state.calls = 200;
  expect(shedder.sheds()).toBe(false);
  const bounds = [0, 0, 0].map(() => {
    pass(1);
    return bound(made);
  });
  expect(bounds).toEqual([100, 50, 25]);
  state.pressure = calm;
  pass(1);
  expect(bound(made)).toBe(32);
  pass(1);
  expect(bound(made)).toBe(40);
  // Nobody came near it.
  pass(1);
  state.calls = 3;
  expect(shedder.sheds()).toBe(false);
  pass(1);
  expect(bound(made)).toBeUndefined();
});

test("late with few calls, each further second turns away a quarter more, and each good one a quarter less", () => {
  const { state, pass, shed } = make();
  state.pressure = { ...calm, loopDelayMs: 251 };
  pass(1);
  const shares = [0, 0, 0, 0, 0, 0].map(() => {
    pass(1);
    return shed();
  });
  expect(shares).toEqual([0, 25, 50, 75, 100, 100]);
  state.pressure = calm;
  const after = [0, 0, 0, 0].map(() => {
    pass(1);
    return shed();
  });
  expect(after).toEqual([75, 50, 25, 0]);
});

test("a machine that is busy for a moment, and again, turns nobody away", () => {
  const { state, pass, shed } = make({ maxLoopDelayMs: 250, afterMs: 3_000 });
  for (let times = 0; times < 5; times++) {
    state.pressure = { ...calm, loopDelayMs: 2_000 };
    pass(3);
    expect(shed()).toBe(0);
    state.pressure = { ...calm, loopDelayMs: 200 };
    pass(1);
  }
  state.pressure = { ...calm, loopDelayMs: 300 };
  pass(3);
  state.calls = 8;
  expect(shed()).toBe(0);
  pass(1);
  expect(shed()).toBe(100);
});

test("turns that are longer than the time between two looks count for as long as they are", () => {
  const { state, pass, shed } = make({ maxLoopDelayMs: 250, afterMs: 3_000 });
  state.pressure = { ...calm, loopDelayMs: 4_000 };
  // The clock goes on while the timer waits.
  vi.setSystemTime(Date.now() + 4_000);
  pass(1);
  state.calls = 8;
  expect(shed()).toBe(100);
});

test("near the bound it neither turns more away nor fewer", () => {
  const { state, pass, shed } = make();
  state.pressure = { ...calm, loopDelayMs: 251 };
  pass(4);
  for (const loopDelayMs of [249, 126, 250]) {
    state.pressure = { ...calm, loopDelayMs };
    pass(2);
    expect(shed()).toBe(50);
  }
  // It is not over yet: what comes now is no first second.
  state.pressure = { ...calm, loopDelayMs: 251 };
  pass(1);
  expect(shed()).toBe(75);
  state.pressure = { ...calm, loopDelayMs: 125 };
  pass(3);
  expect(shed()).toBe(0);
});

test.each([{ heap: 0.91 }, { memory: 0.91 }])("F61: with %j all are turned away", (more) => {
  const { state, pass, shed } = make();
  state.pressure = { ...calm, ...more };
  pass(1);
  expect(shed()).toBe(100);
  state.pressure = calm;
  pass(4);
  expect(shed()).toBe(0);
});

test("while no call more may be under way all are turned away, and at once no more", () => {
  const { state, shed } = make();
  state.full = true;
  expect(shed()).toBe(100);
  state.full = false;
  expect(shed()).toBe(0);
});

test("it tells for how long it has been going on", () => {
  const { state, pass, shedder } = make();
  state.pressure = { ...calm, loopDelayMs: 400 };
  pass(2);
  expect(shedder.sinceMs()).toBe(0);
  pass(12);
  expect(shedder.sinceMs()).toBe(12_000);
  state.pressure = calm;
  pass(5);
  expect(shedder.sinceMs()).toBe(0);
});
