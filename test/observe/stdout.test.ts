import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { writerOf } from "../../src/cli/setup.ts";
import type { Audit } from "../../src/observe/audit.ts";
import { readRecords } from "../world/audit.ts";
import { callOf, makeDir, openAudit, success, traceOf, verifyText } from "./audit.ts";

vi.setConfig({ testTimeout: 40_000 });

afterEach(() => {
  vi.useRealTimers();
});

interface Reader {
  readonly child: ChildProcess;
  readonly stdout: (bytes: Uint8Array) => Promise<void>;
  /** All that it read, once the other end is closed. */
  readonly text: () => Promise<string>;
}

/** A program that reads what is written to it, through a pipe of the system. */
async function startReader(): Promise<Reader> {
  const file = join(await makeDir(), "read.ndjson");
  const child = spawn("cat", [], { stdio: ["pipe", openSync(file, "w"), "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { stdin } = child;
  if (stdin === null) throw new Error("no pipe");
  const exited = once(child, "exit");
  return {
    child,
    stdout: writerOf(stdin),
    async text() {
      stdin.end();
      await exited;
      return readFileSync(file, "utf8");
    },
  };
}

const toStdout = { sinks: [{ kind: "stdout" }], onFailure: "allow" } as const;

/** As fast as the event loop turns. */
async function callMany(audit: Audit, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    void audit.call(callOf({ args: { i } }), success, traceOf());
    if (i % 100 === 0) await new Promise(setImmediate);
  }
}

test("what a reader of standard output that stopped left no room for is a gap, and the chain goes on over it", async () => {
  const reader = await startReader();
  const audit = openAudit("", toStdout, { stdout: reader.stdout });
  audit.start({});
  expect(await audit.call(callOf(), success, traceOf())).toBe(true);
  reader.child.kill("SIGSTOP");
  await callMany(audit, 11_000);
  const { dropped, waiting } = audit.stats();
  expect(dropped).toBeGreaterThan(0);
  expect(waiting).toBeGreaterThan(9_900);
  expect(audit.problem()).toBe("the queue is full");
  expect(await audit.call(callOf(), success, traceOf())).toBe(false);
  reader.child.kill("SIGCONT");
  await vi.waitFor(() => expect(audit.stats().waiting).toBe(0), { timeout: 10_000 });
  expect(audit.problem()).toBeUndefined();
  expect(await audit.call(callOf(), success, traceOf())).toBe(true);
  await audit.close();
  const text = await reader.text();
  const records = readRecords(text);
  const gaps = records.filter(({ event }) => event === "audit.gap");
  expect(gaps).toMatchObject([
    { outcome: "failure", reason: "queue_full", gap: { records: dropped + 1 } },
  ]);
  const calls = records.filter(({ event }) => event === "tool.call");
  expect(calls.length + dropped + 1).toBe(11_003);
  // In the place where they are missing: before the only call that came after.
  expect(records.map(({ event }) => event).slice(-5)).toEqual([
    "tool.call",
    "audit.gap",
    "tool.call",
    "server.stop",
    "audit.checkpoint",
  ]);
  expect(verifyText(text)).toMatchObject({ open: 0, findings: [] });
});

test("a gap is told within a minute also when nothing else happens", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const reader = await startReader();
  const audit = openAudit("", toStdout, { stdout: reader.stdout });
  audit.start({});
  reader.child.kill("SIGSTOP");
  await callMany(audit, 11_000);
  expect(audit.stats().dropped).toBeGreaterThan(0);
  // Nothing can be said while there is no room for it.
  vi.advanceTimersByTime(60_000);
  reader.child.kill("SIGCONT");
  await vi.waitFor(() => expect(audit.stats().waiting).toBe(0), { timeout: 10_000 });
  vi.advanceTimersByTime(60_000);
  await audit.close();
  const text = await reader.text();
  expect(readRecords(text).filter(({ event }) => event === "audit.gap")).toHaveLength(1);
  expect(verifyText(text).findings).toEqual([]);
});

test("a reader that is always a little behind loses nothing", async () => {
  const taken: Buffer[] = [];
  let take = (): void => {};
  const audit = openAudit("", toStdout, {
    // Takes a write when the next one comes.
    stdout: (bytes) =>
      new Promise((resolve) => {
        take();
        take = () => {
          taken.push(Buffer.from(bytes));
          resolve();
        };
      }),
  });
  audit.start({});
  await callMany(audit, 25_000);
  expect(audit.stats().waiting).toBeLessThan(300);
  expect(audit.stats().dropped).toBe(0);
  const closed = audit.close();
  take();
  await closed;
  const text = Buffer.concat(taken).toString();
  const calls = readRecords(text).filter(({ event }) => event === "tool.call");
  expect(calls).toHaveLength(25_000);
  expect(verifyText(text).findings).toEqual([]);
});

test("what was lost for good is said in the log at the end", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const lines: object[] = [];
  const audit = openAudit("", toStdout, {
    stdout: () => new Promise(() => {}),
    log: (event, fields) => void lines.push({ event, ...fields }),
  });
  audit.start({});
  await callMany(audit, 11_000);
  const { dropped } = audit.stats();
  const closed = audit.close();
  await vi.advanceTimersByTimeAsync(3_000);
  await closed;
  expect(lines).toEqual([
    { event: "audit_records_lost", bytes: expect.any(Number) },
    // The record of the end found no room either.
    { event: "audit_records_lost", records: dropped + 1 },
  ]);
});
