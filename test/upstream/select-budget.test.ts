import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { compile } from "@jmespath-community/jmespath";
import { BudgetError, withinBudget } from "../../src/upstream/reply/budget.ts";
import { isSinglePass } from "../../src/upstream/reply/single-pass.ts";
import { whyMissing } from "../world/proxy.ts";

describe("what a budget ends", () => {
  test.each<readonly [what: string, work: () => unknown]>([
    ["a loop", () => spin()],
    ["a loop that catches what it can", () => spinCatching()],
    ["a pattern", () => /^(a+)+$/.test(`${"a".repeat(200)}!`)],
    ["sorting", () => Array.from({ length: 50 }, (_, i) => i).toSorted(() => spin())],
    ["printing one value again and again", () => JSON.stringify(doubled(40))],
  ])("%s, and the next work is done", (_, work) => {
    expect(() => withinBudget(work)).toThrow(BudgetError);
    expect(withinBudget(() => 7)).toBe(7);
  });

  test("not what the work itself throws", () => {
    const error = new TypeError("of the work");
    expect(() =>
      withinBudget(() => {
        throw error;
      }),
    ).toThrow(error);
  });

  test("without free descriptors, where Node would end the process, the work is refused", ({
    skip,
  }) => {
    const missing = whyMissing("prlimit");
    skip(missing !== undefined, missing);
    expect(withinBudget(() => 1)).toBe(1);
    const open: number[] = [];
    const [, soft, hard] = /^Max open files +(\w+) +(\w+)/m.exec(
      readFileSync("/proc/self/limits", "utf8"),
    ) ?? ["", "", ""];
    onTestFinished(() => {
      for (const descriptor of open) closeSync(descriptor);
      limitFiles(`${soft}:${hard}`);
    });
    const highest = Math.max(...readdirSync("/proc/self/fd").map(Number));
    limitFiles(`${highest + 40}:${hard}`);
    for (;;) {
      try {
        open.push(openSync("/dev/null", "r"));
      } catch {
        break;
      }
    }
    for (const free of [0, 1, 2, 3, 4]) {
      expect(() => withinBudget(() => 1), `${free} free`).toThrow(BudgetError);
      closeSync(open.pop() ?? 0);
    }
    for (const descriptor of open.splice(0)) closeSync(descriptor);
    expect(withinBudget(() => 2)).toBe(2);
  });
});

test.each([
  "items[].{id: id, name: customer.name}",
  "items[?status == 'open' && !closed] | [0:10].id",
  "{total: total, names: sort_by(items, &name)[].name, first: items[0]}",
  "items[?contains(tags, 'b')].join(', ', tags)",
  "map(&{id: id, n: length(lines)}, items)",
  'max_by(items, &price) || `{"type": "Root"}`',
  "items[].{id: to_string(id), who: {first: a, last: b}, tags: join(', ', tags), at: [x, y, z]}",
  "items[?contains(a, 'a') && contains(b, 'b') && contains(c, 'c') && contains(d, 'd')]",
])("needs none: %s", (expression) => {
  expect(isSinglePass(compile(expression))).toBe(true);
});

test.each([
  "items[].length($.items)",
  "let $x = items in $x[].length($x)",
  "items[].replace(name, 'a', 'b')",
  "trim(name)",
  "join(name, items[].name)",
  "contains(name, other)",
  "pad_left(name, width)",
  "[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]",
  "items[].{price: price * count}",
  // Each step makes two of what the step before left.
  Array.from({ length: 7 }, () => "merge({x: @}, {y: @})").join(" | "),
  Array.from({ length: 7 }, () => "zip(@, @)").join(" | "),
  Array.from({ length: 7 }, () => "to_string([@])").join(" | "),
  Array.from({ length: 7 }, () => "join('-', split('', @))").join(" | "),
])("needs one: %s", (expression) => {
  expect(isSinglePass(compile(expression))).toBe(false);
});

function spin(): number {
  for (let i = 0; ; i++) if (i < 0) return i;
}

function spinCatching(): void {
  for (;;) {
    try {
      spin();
    } catch {
      // Another round, whatever the first one ended with.
    }
  }
}

function doubled(times: number): unknown {
  let value: unknown = "ab";
  for (let i = 0; i < times; i++) value = [value, value];
  return value;
}

function limitFiles(limits: string): void {
  execFileSync("prlimit", ["--pid", String(process.pid), `--nofile=${limits}`]);
}
