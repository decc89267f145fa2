import { expect, test } from "vitest";
import { findings, good, goodEnv, goodWith, issuesOf, makeWorld } from "./world.ts";

const anchors = (count: number): string =>
  Array.from({ length: count }, (_, i) => {
    const inner = i === 0 ? "x" : `*a${i - 1}`;
    return `  a${i}: &a${i} [${Array.from({ length: 10 }, () => inner).join(", ")}]\n`;
  }).join("");

test.each([
  { because: "a bomb of aliases", text: `x-bomb:\n${anchors(12)}${good}`, code: "too_complex" },
  { because: "a circle of aliases", text: `x-circle: &a [*a]\n${good}`, code: "too_complex" },
  {
    because: "101 aliases",
    text: `x-a: &a 1\nx-b: [${"*a, ".repeat(101)}]\n${good}`,
    code: "too_complex",
  },
  {
    because: "100,000 values",
    text: `x-a: [${"1, ".repeat(100_000)}]\n${good}`,
    code: "too_complex",
  },
  { because: "deep flow lists", text: `x-a: ${"[".repeat(500_000)}`, code: "too_deep" },
  { because: "deep flow mappings", text: `x-a: ${"{a: ".repeat(300_000)}`, code: "too_deep" },
  { because: "deep block lists", text: "- ".repeat(500_000), code: "too_deep" },
  { because: "deep explicit keys", text: "? ".repeat(500_000), code: "too_deep" },
  { because: "a larger file", text: `${good}#${"x".repeat(2 * 1024 * 1024)}`, code: "too_large" },
  { because: "bytes that are not text", text: Uint8Array.of(0x61, 0xff), code: "invalid_encoding" },
])("S55: $because: $code", async ({ text, code }) => {
  expect(await issuesOf(text)).toMatchObject([{ code }]);
});

test("100 aliases are fine", async () => {
  expect(await issuesOf(`x-a: &a 1\nx-b: [${"*a, ".repeat(100)}]\n${good}`)).toEqual([]);
});

test("two hundred thousand keys of one mapping are refused without comparing each with each", async () => {
  const keys = Array.from({ length: 150_000 }, (_, i) => `k${i}: 1`).join("\n");
  expect(await issuesOf(keys)).toMatchObject([{ code: "too_complex" }]);
});

test.each([
  { because: "an empty file", text: "" },
  { because: "a comment alone", text: "# nothing\n" },
  { because: "a scalar", text: "hello" },
  { because: "a list", text: "- version: 1" },
])("$because is no configuration", async ({ text }) => {
  expect(await issuesOf(text)).toMatchObject([{ code: "wrong_type", position: { line: 1 } }]);
});

test("at least one api is needed", async () => {
  const text = `${good.slice(0, good.indexOf("apis:"))}apis: {}\n`;
  expect(await issuesOf(text)).toMatchObject([{ code: "empty_list", position: { column: 1 } }]);
});

test("a byte order mark moves no column", async () => {
  const issues = await issuesOf(`\uFEFF${goodWith("version: 1", "version: 2")}`);
  expect(issues).toMatchObject([
    { code: "unsupported_version", position: { line: 1, column: 10 } },
  ]);
});

test("Windows line ends move no line", async () => {
  const issues = await issuesOf(
    goodWith("concurrency: 64", "concurrency: x").replaceAll("\n", "\r\n"),
  );
  expect(issues).toMatchObject([{ code: "wrong_type", position: { line: 51, column: 16 } }]);
});

test("a missing gateway.yaml has no position", async () => {
  const { directory } = await makeWorld(good);
  expect(await findings(`${directory}/other.yaml`, goodEnv)).toMatchObject([
    { code: "file_not_found", position: undefined },
  ]);
});

test("a key called __proto__ is a key like any other", async () => {
  const text = goodWith("limits:\n", "limits:\n  __proto__: {polluted: true}\n");
  expect(await issuesOf(text)).toMatchObject([{ code: "unknown_key" }]);
  expect({}).not.toHaveProperty("polluted");
});

test("everything that is wrong is reported at once, in order", async () => {
  const text = good
    .replace("https://mcp.acme.com\n", "http://mcp.acme.com\n")
    .replace("  issuers:\n    - issuer: https", "  isuers:\n    - issuer: ftp")
    .replace("${CLIENT_SECRET}", "hunter2")
    .replace("timeout: 10s", "timeout: ${NOT_SET}")
    .replace("client: corp", "client: crop")
    .replace("[GET]", "[GTE]")
    .replace("concurrency: 64", "concurrency: -1\n  concurrency: 2");
  const issues = await issuesOf(text);
  expect(issues.map(({ code, position }) => [position?.line, position?.column, code])).toEqual([
    [3, 8, "invalid_url"],
    [10, 3, "unknown_key"],
    [11, 15, "invalid_url"],
    [18, 15, "literal_secret"],
    [32, 26, "unknown_client"],
    [33, 14, "unset_variable"],
    [41, 27, "invalid_value"],
    [51, 16, "out_of_range"],
    [52, 3, "duplicate_key"],
  ]);
});
