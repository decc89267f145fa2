import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { splitReferences } from "../../src/config/reference.ts";
import { findings, good, goodEnv, goodWith, issuesOf, load, makeWorld } from "./world.ts";

test.each([
  { written: "${NAME}", becomes: "enrol" },
  { written: "pre-${NAME}-post", becomes: "pre-enrol-post" },
  { written: "${NAME}${NAME}", becomes: "enrolenrol" },
  { written: "${MISSING:-other}", becomes: "other" },
  { written: "${EMPTY:-other}", becomes: "other" },
  { written: "${NAME:-other}", becomes: "enrol" },
  { written: "x${EMPTY}", becomes: "x" },
  { written: "x${MISSING:-}", becomes: "x" },
  { written: "${NAME:?say so}", becomes: "enrol" },
  { written: "$${NAME}", becomes: "${NAME}" },
  { written: "$$${NAME}", becomes: "$${NAME}" },
  { written: "a$b$", becomes: "a$b$" },
  { written: "${LIST}", becomes: "[a, {b: c}]\n- d" },
])("$written becomes $becomes", async ({ written, becomes }) => {
  const env = { ...goodEnv, NAME: "enrol", EMPTY: "", LIST: "[a, {b: c}]\n- d" };
  const { apis } = await load(goodWith("operation: enrol", `operation: '${written}'`), env);
  expect(apis[0]?.rules[0]?.select).toEqual({ kind: "operation", operation: becomes });
});

test.each([
  { written: "${VALUE}", value: "77", gives: 77 },
  { written: "${VALUE:-33}", value: undefined, gives: 33 },
  { written: "${VALUE}", value: "0x10", gives: 16 },
])("an unquoted $written is a number where one is wanted", async ({ written, value, gives }) => {
  const { apis } = await load(goodWith("concurrency: 64", `concurrency: ${written}`), {
    ...goodEnv,
    VALUE: value,
  });
  expect(apis[0]?.maxConcurrentCalls).toBe(gives);
});

test("an unquoted reference is a boolean where one is wanted, and text elsewhere", async () => {
  const text = goodWith("        expose: false", "        expose: ${OFF}")
    .replace("id: tollgate", "id: ${DIGITS}")
    .replace("listen: 127.0.0.1:3000", "listen: ${DIGITS}");
  const config = await load(text, { ...goodEnv, OFF: "false", DIGITS: "0123" });
  expect(config.apis[0]?.rules[1]?.expose).toBe(false);
  expect(config.clients.get("corp")?.id).toBe("0123");
  expect(config.server.listen.port).toBe(123);
});

test.each([
  { written: '"${VALUE}"', value: "77" },
  { written: "${VALUE}", value: "canary-text" },
  { written: "1${VALUE}", value: "7" },
])("$written is no number", async ({ written, value }) => {
  const text = goodWith("concurrency: 64", `concurrency: ${written}`);
  const issues = await issuesOf(text, { ...goodEnv, VALUE: value });
  expect(issues).toMatchObject([{ code: "wrong_type" }]);
  expect(issues[0]?.message).toContain("the value of ${VALUE}");
  expect(JSON.stringify(issues)).not.toContain("canary-");
});

test.each([
  { written: "${MISSING}", says: "environment variable MISSING is not set" },
  {
    written: "${MISSING:?ask the ops team}",
    says: "environment variable MISSING is not set: ask the ops team",
  },
  { written: "${EMPTY:?ask}", says: "environment variable EMPTY is empty: ask" },
  { written: "${toString}", says: "environment variable toString is not set" },
])("$written: $says", async ({ written, says }) => {
  const text = goodWith("operation: enrol", `operation: '${written}'`);
  expect(await issuesOf(text, { ...goodEnv, EMPTY: "" })).toMatchObject([
    { code: "unset_variable", message: says, position: { line: 35, column: 20 } },
  ]);
});

test.each(["${", "${}", "${a b}", "${NAME:+x}", "${${NAME}}", "${file:}", "${1A}", "${NAME-x}"])(
  "%s is malformed",
  async (written) => {
    const text = goodWith("operation: enrol", `operation: '${written}'`);
    expect(await issuesOf(text)).toMatchObject([{ code: "invalid_interpolation" }]);
  },
);

test("keys are never interpolated", async () => {
  const text = goodWith("  concurrency: 64", '  "${NAME}": 64');
  const issues = await issuesOf(text, { ...goodEnv, NAME: "concurrency" });
  expect(issues).toMatchObject([{ code: "unknown_key" }]);
});

test("text without references is one piece", () => {
  expect(splitReferences("")).toEqual([{ kind: "text", text: "" }]);
});

const keyLine = goodWith("value: ${API_KEY}", "value: ${file:key.txt}");

test("a file is read beside gateway.yaml, without its last newline, and watched", async () => {
  const { directory, file } = await makeWorld(keyLine, {
    "key.txt": { text: "canary-file\r\n", mode: 0o600 },
  });
  const config = await loadConfig(file, goodEnv);
  const [, other] = config.apis;
  const value = other?.credential.kind === "static" ? other.credential.value.reveal() : undefined;
  expect(value).toBe("canary-file");
  expect(config.files).toEqual([file, join(directory, "key.txt")]);
  expect(config.warnings).toEqual([]);
});

test("only one newline is trimmed", async () => {
  const text = goodWith("operation: enrol", 'operation: "${file:key.txt}"');
  const { file } = await makeWorld(text, { "key.txt": { text: "a\n\n", mode: 0o644 } });
  const { apis, warnings } = await loadConfig(file, goodEnv);
  expect(apis[0]?.rules[0]?.select).toEqual({ kind: "operation", operation: "a\n" });
  // Not a secret, so anyone may read it.
  expect(warnings).toEqual([]);
});

test("a secret that everyone can read is a warning at its place", async () => {
  const { file } = await makeWorld(keyLine, { "key.txt": { text: "canary", mode: 0o644 } });
  const { warnings } = await loadConfig(file, goodEnv);
  expect(warnings).toMatchObject([
    { severity: "warning", code: "world_readable_secret", position: { line: 47, column: 16 } },
  ]);
});

test.each([
  { because: "it is too large", text: "x".repeat(65_537), code: "too_large" },
  { because: "it is not text", text: Uint8Array.of(0xff, 0xfe), code: "invalid_encoding" },
  { because: "it is empty", text: "\n", code: "empty_value" },
  { because: "it would split the header", text: "canary-a\r\nX: b\n", code: "invalid_value" },
])("S98: a secret file is refused: $because", async ({ text, code }) => {
  const issues = await issuesOf(keyLine, goodEnv, { "key.txt": { text, mode: 0o600 } });
  expect(issues).toMatchObject([{ code }]);
  expect(JSON.stringify(issues)).not.toContain("canary-");
});

test("a file of exactly 64 KiB is read", async () => {
  const files = { "key.txt": { text: "x".repeat(65_536), mode: 0o600 } };
  expect(await issuesOf(keyLine, goodEnv, files)).toEqual([]);
});

test("a directory, a pipe and a path with NUL are no files", async () => {
  const { directory, file } = await makeWorld(
    goodWith("value: ${API_KEY}", "value: ${file:pipe}")
      .replace("operation: enrol", "operation: ${file:.}")
      .replace("name: enrol_in_course", 'name: "${file:a\\0b}"'),
  );
  execFileSync("/usr/bin/mkfifo", [join(directory, "pipe")]);
  expect((await findings(file, goodEnv)).map(({ code }) => code)).toEqual([
    "unreadable_file",
    "unreadable_file",
    "unreadable_file",
  ]);
});

test("references cannot multiply a file without end", async () => {
  const text = goodWith("operation: enrol", `operation: "${"${file:big}".repeat(70)}"`);
  const files = { big: { text: "x".repeat(65_536), mode: 0o600 } };
  const [issue] = await issuesOf(text, goodEnv, files);
  expect(issue).toMatchObject({ code: "too_large", position: { line: 35 } });
});

test("S81: no way of printing the configuration shows a secret", async () => {
  const config = await load(good);
  const shown = [
    JSON.stringify({ ...config, clients: [...config.clients] }),
    inspect(config, { depth: 20 }),
    String(config.apis.map(({ credential }) => JSON.stringify(credential))),
  ].join();
  expect(shown).toContain("***");
  expect(shown).not.toContain("canary-");
});

test.each([
  ["url: https://mcp.acme.com", "url: ${SECRET}"],
  ["timeout: 10s", "timeout: ${SECRET}"],
  ["mode: oauth", "mode: ${SECRET}"],
  ["[mcp:tools]", "['${SECRET}', '${SECRET}']"],
  ["client: corp", "client: '${SECRET}'"],
  ["listen: 127.0.0.1:9091", "listen: ${SECRET}"],
  ["operation: POST /things", "operation: ${SECRET} /things"],
  ["header: X-Api-Key", "header: ${SECRET}"],
  ["- stdout: {}", "- ${SECRET}"],
  ["limits:\n  concurrency: 64", "limits: ${SECRET}"],
  ["value: ${API_KEY}", "value: ${SECRET}\x20 # not legal in a header"],
  ["audience: courses-api", "resource: '${SECRET}'"],
  ["spec: specs/other.yaml", "spec: https://${SECRET}"],
])("%s: what a variable gave is in no message", async (from, to) => {
  const issues = await issuesOf(goodWith(from, to), { ...goodEnv, SECRET: "canary-value\u0007 x" });
  expect(issues.length).toBeGreaterThan(0);
  expect(JSON.stringify(issues)).not.toContain("canary-");
});
