import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Audit } from "../../src/observe/audit.ts";
import { readRecords } from "../world/audit.ts";
import { callOf, makeDir, openAudit, readLog, success, traceOf, verifyText } from "./audit.ts";

vi.setConfig({ testTimeout: 40_000 });

/** A file system of 64 KiB in memory; undefined where this process may mount none. */
async function mountSmall(): Promise<string | undefined> {
  const dir = join(await makeDir(), "disk");
  mkdirSync(dir);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", ["-l", dir]));
  return dir;
}

const noMount = "this process may not mount a tmpfs (needs root)";

function call(audit: Audit, i: number): boolean | Promise<boolean> {
  return audit.call(callOf({ args: { i } }), success, traceOf());
}

test.for(["flushed", "fsync"] as const)(
  "%s: on a full disk records wait, and are written when there is room again",
  async (durability, { skip }) => {
    const dir = await mountSmall();
    if (dir === undefined) return skip(noMount);
    writeFileSync(join(dir, "ballast"), Buffer.alloc(40_960));
    const audit = openAudit(dir, { durability });
    audit.start({});
    let written = 0;
    for (let i = 0; i < 100; i++) if (await call(audit, i)) written++;
    expect(written).toBeGreaterThan(3);
    expect(written).toBeLessThan(100);
    expect(audit.problem()).toContain("ENOSPC");
    expect(audit.stats().waiting).toBeGreaterThan(0);
    rmSync(join(dir, "ballast"));
    execFileSync("mount", ["-o", "remount,size=1m", dir]);
    await vi.waitFor(() => expect(audit.stats().waiting).toBe(0), { timeout: 5_000 });
    expect(await call(audit, 100)).toBe(true);
    await audit.close();
    const calls = readRecords(readLog(dir)).filter(({ event }) => event === "tool.call");
    expect(calls).toHaveLength(101);
    expect(verifyText(readLog(dir))).toMatchObject({ open: 0, findings: [] });
  },
);

test("what a full disk has no room for at all is a gap, and the chain goes on over it", async ({
  skip,
}) => {
  const dir = await mountSmall();
  if (dir === undefined) return skip(noMount);
  const audit = openAudit(dir);
  audit.start({});
  for (let i = 0; i < 10_200; i++) {
    void call(audit, i);
    if (i % 100 === 0) await new Promise(setImmediate);
  }
  expect(await call(audit, 10_200)).toBe(false);
  expect(audit.stats().dropped).toBeGreaterThan(0);
  execFileSync("mount", ["-o", "remount,size=64m", dir]);
  await vi.waitFor(() => expect(audit.problem()).toBeUndefined(), { timeout: 5_000 });
  expect(await call(audit, 10_201)).toBe(true);
  await audit.close();
  const records = readRecords(readLog(dir));
  const gaps = records.filter(({ reason }) => reason === "queue_full");
  expect(gaps).toHaveLength(1);
  const { gap } = gaps[0] as unknown as { readonly gap: { readonly records: number } };
  const calls = records.filter(({ event }) => event === "tool.call");
  expect(calls.length + gap.records).toBe(10_202);
  expect(verifyText(readLog(dir)).findings).toEqual([]);
});

test("F51: under a read-only file system records wait, and go where they belong when it is gone", async ({
  skip,
}) => {
  const dir = join(await makeDir(), "log");
  mkdirSync(dir);
  const audit = openAudit(dir);
  audit.start({});
  expect(await call(audit, 0)).toBe(true);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", dir], { stdio: "ignore" });
  } catch {
    await audit.close();
    return skip(noMount);
  }
  const uncover = (): void => void execFileSync("umount", ["-l", dir]);
  try {
    await vi.waitFor(() => expect(audit.problem()).toContain("EROFS"), { timeout: 5_000 });
    expect(await call(audit, 1)).toBe(false);
    expect(audit.stats().waiting).toBeGreaterThan(0);
  } finally {
    uncover();
  }
  await vi.waitFor(() => expect(audit.problem()).toBeUndefined(), { timeout: 5_000 });
  expect(await call(audit, 2)).toBe(true);
  await audit.close();
  const calls = readRecords(readLog(dir)).filter(({ event }) => event === "tool.call");
  expect(calls).toHaveLength(3);
  expect(verifyText(readLog(dir))).toMatchObject({ open: 0, findings: [] });
});

test("F51: a directory that is deleted is made anew, and the log says that lines are gone", async () => {
  const dir = join(await makeDir(), "log");
  const audit = openAudit(dir);
  audit.start({});
  expect(await call(audit, 0)).toBe(true);
  rmSync(dir, { recursive: true });
  await vi.waitFor(() => expect(readLog(dir)).toContain("file_deleted"), { timeout: 5_000 });
  expect(await call(audit, 1)).toBe(true);
  expect(audit.problem()).toBeUndefined();
  await audit.close();
  const records = readRecords(readLog(dir));
  expect(records.filter(({ event }) => event === "audit.gap")).toMatchObject([
    { outcome: "failure", reason: "file_deleted" },
  ]);
  expect(verifyText(readLog(dir))).toMatchObject({ open: 0 });
});
