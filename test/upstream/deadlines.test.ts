import { expect, onTestFinished, test } from "vitest";
import { createDeadlines, type Due } from "../../src/upstream/deadlines.ts";

interface Made {
  readonly pass: (ms: number) => void;
  readonly add: (afterMs: number) => Due;
  readonly passed: () => readonly number[];
  /** Until the next tick is over. */
  readonly ticked: () => Promise<void>;
  readonly remove: (due: Due) => void;
}

function make(): Made {
  let moment = 0;
  const passed: number[] = [];
  const deadlines = createDeadlines(() => moment);
  onTestFinished(() => deadlines.close());
  return {
    pass: (ms) => (moment += ms),
    passed: () => passed,
    remove: deadlines.remove,
    add(afterMs) {
      const due: Due = {
        at: deadlines.now() + afterMs,
        slot: undefined,
        expire: () => void passed.push(afterMs),
      };
      deadlines.add(due);
      return due;
    },
    ticked: () =>
      new Promise((resolve) => {
        deadlines.add({ at: moment, slot: undefined, expire: () => resolve() });
      }),
  };
}

test("each passes at its own moment, and only once", async () => {
  const { add, pass, passed, ticked } = make();
  add(100);
  add(50);
  await ticked();
  expect(passed()).toEqual([]);
  pass(50);
  await ticked();
  expect(passed()).toEqual([50]);
  pass(50);
  await ticked();
  pass(1_000);
  await ticked();
  expect(passed()).toEqual([50, 100]);
});

test("when all work is to end, what is under way does, and what comes later", () => {
  const deadlines = createDeadlines(() => 0);
  const why: string[] = [];
  const due: Due = { at: 1_000, slot: undefined, expire: (reason) => void why.push(reason) };
  deadlines.add(due);
  expect(deadlines.stopAll()).toBe(1);
  deadlines.add(due);
  expect(why).toEqual(["stopped", "stopped"]);
});

test("one that was moved or taken away does not pass", async () => {
  const { add, pass, passed, ticked, remove } = make();
  const moved = add(10);
  moved.at = 500;
  remove(add(20));
  pass(100);
  await ticked();
  expect(passed()).toEqual([]);
  pass(400);
  await ticked();
  expect(passed()).toEqual([10]);
});

test("one that ends others when it passes ends only those", async () => {
  const { add, pass, passed, ticked, remove } = make();
  const others: Due[] = [];
  const first = add(10);
  others.push(add(10), add(20));
  const last = add(10);
  const expire = first.expire;
  Object.assign(first, {
    expire(why: "late") {
      expire(why);
      for (const other of others) remove(other);
    },
  });
  pass(100);
  await ticked();
  expect(passed()).toEqual([10, 10]);
  expect([first, ...others, last].map(({ slot }) => slot)).toEqual(Array(4).fill(undefined));
});
