import { expect, test } from "vitest";
import type { Issue } from "../../src/base/issue.ts";
import { frameIssues } from "../../src/config/frame.ts";
import { goodWith, issuesOf } from "./world.ts";

const issue = (line: number, column: number, more: Partial<Issue> = {}): Issue => ({
  severity: "error",
  code: "unknown_key",
  message: 'unknown key "upstrem" in apis.orders',
  position: { file: "gateway.yaml", line, column },
  help: undefined,
  ...more,
});

test("a finding stands under its line, with a caret and what to do", () => {
  const text =
    "apis:\n  orders:\n    spec: specs/orders.yaml\n    upstrem: https://orders.internal\n";
  expect(frameIssues([issue(4, 5, { help: 'did you mean "upstream"?' })], () => text)).toBe(
    `gateway.yaml:4:5  error  unknown_key  unknown key "upstrem" in apis.orders
    2 |   orders:
    3 |     spec: specs/orders.yaml
    4 |     upstrem: https://orders.internal
      |     ^^^^^^^
      = help: did you mean "upstream"?`,
  );
});

test.each([
  { line: "url: https://a.b:1/c, x", column: 6, carets: 15 },
  { line: 'a: "b \\" c" d', column: 4, carets: 8 },
  { line: "a: [b, c]", column: 5, carets: 1 },
  { line: "a: {}", column: 4, carets: 1 },
  { line: "short", column: 99, carets: 1 },
])("the caret covers one word: $line", ({ line, column, carets }) => {
  const shown = frameIssues([issue(1, column)], () => line);
  expect(shown.match(/\^+/)?.[0]).toHaveLength(carets);
});

test("findings are sorted, and warnings are framed too", () => {
  const shown = frameIssues(
    [issue(2, 1), issue(1, 1, { severity: "warning" })],
    () => "a: 1\nb: 2",
  );
  expect(shown.split("\n\n").map((part) => part.split("  ", 2).join(" "))).toEqual([
    "gateway.yaml:1:1 warning",
    "gateway.yaml:2:1 error",
  ]);
});

test("without a position or a text there is no frame", () => {
  expect(frameIssues([issue(1, 1, { position: undefined, message: "gone" })], () => "a")).toBe(
    "error  unknown_key  gone",
  );
  expect(frameIssues([issue(7, 1, { message: "gone" })], () => undefined)).toBe(
    "gateway.yaml:7:1  error  unknown_key  gone",
  );
});

test("what could move the cursor is escaped, and the caret stays in place", () => {
  const shown = frameIssues([issue(1, 5)], () => "\u001b\t: bad");
  expect(shown).toContain("1 | \\u001b : bad");
  expect(shown.split("\n").at(-1)).toBe(`${" ".repeat(6)}| ${" ".repeat(9)}^^^`);
});

test("a long line is moved to its fault", () => {
  const line = `${"x".repeat(500)} fault ${"y".repeat(500)}`;
  const shown = frameIssues([issue(1, 502)], () => line);
  expect(shown).toContain("fault");
  expect(Math.max(...shown.split("\n").map((text) => text.length))).toBeLessThan(140);
});

test.each([
  "value: canary-a",
  "value: |\n          canary-a\n\n          canary-b",
  'value: "canary-a\n          canary-b"',
  "value:\n          canary-a",
])("a secret in the file is not shown, not even above another finding: %j", async (written) => {
  const text = goodWith("value: ${API_KEY}", written).replace("operation: POST", "operation: PSOT");
  const shown = frameIssues(await issuesOf(text), () => text);
  expect(shown).toContain("literal_secret");
  expect(shown).toContain("PSOT");
  expect(shown).not.toContain("canary-");
});
