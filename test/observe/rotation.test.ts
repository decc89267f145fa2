import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import type { Audit } from "../../src/observe/audit.ts";
import type { AuditConfig, RotationConfig } from "../../src/config/types/audit.ts";
import { listLog, listRotated } from "../../src/observe/sinks/log-dir.ts";
import { readRecords } from "../world/audit.ts";
import {
  callOf,
  makeDir,
  openAudit,
  readLog,
  readWholeLog,
  success,
  traceOf,
  verifyText,
} from "./audit.ts";

const bySize: RotationConfig = {
  maxBytes: 4_000,
  everyMs: 86_400_000,
  keep: 1_000,
  compress: true,
};

function rotating(dir: string, more: Partial<RotationConfig> = {}): Partial<AuditConfig> {
  return { sinks: [{ kind: "file", dir, rotation: { ...bySize, ...more } }] };
}

async function callTimes(audit: Audit, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await audit.call(callOf({ args: { i } }), success, traceOf());
}

test.each(["flushed", "fsync"] as const)(
  "%s: a full file makes room for a new one, and the chain goes through all of them",
  async (durability) => {
    const dir = await makeDir();
    const audit = openAudit(dir, { ...rotating(dir), durability });
    audit.start({});
    await callTimes(audit, 40);
    const waits = Array.from({ length: 64 }, async (_, i) =>
      audit.call(callOf({ args: { i } }), success, traceOf()),
    );
    expect(await Promise.all(waits)).toEqual(Array(64).fill(true));
    await audit.close();
    expect(listRotated(dir).length).toBeGreaterThan(5);
    expect(verifyText(readWholeLog(dir))).toMatchObject({
      records: 107,
      chains: 1,
      open: 0,
      findings: [],
    });
  },
);

test("full files are compressed, all but the newest, and there is never half of one", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir, rotating(dir));
  audit.start({});
  await callTimes(audit, 40);
  await vi.waitFor(() => {
    const packed = listRotated(dir).filter(({ compressed }) => compressed);
    expect(packed).toHaveLength(listRotated(dir).length - 1);
    expect(readdirSync(dir).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
  await audit.close();
  expect(verifyText(readWholeLog(dir)).findings).toEqual([]);
});

test("a file that a crash left beside its compressed copy counts once", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir, rotating(dir, { compress: false }));
  audit.start({});
  await callTimes(audit, 20);
  await audit.close();
  const [first] = listRotated(dir);
  const path = first?.path ?? "";
  writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
  writeFileSync(`${path}.gz.part`, "half");
  expect(listLog(dir).filter((file) => file.startsWith(path))).toEqual([path]);
  const again = openAudit(dir, rotating(dir));
  again.start({});
  await vi.waitFor(() => expect(listRotated(dir)[0]).toMatchObject({ compressed: true }));
  await again.close();
  expect(verifyText(readWholeLog(dir))).toMatchObject({ chains: 2, findings: [] });
});

test("a file ends when it is old, also when nobody calls, and after a restart", async () => {
  const dir = await makeDir();
  let now = Date.parse("2026-11-26T00:00:00Z");
  const config = rotating(dir, { maxBytes: 2 ** 20, everyMs: 3_600_000, compress: false });
  const first = openAudit(dir, config, { now: () => now });
  first.start({});
  await callTimes(first, 1);
  await first.close();
  now += 3_000_000;
  const second = openAudit(dir, config, { now: () => now });
  second.start({});
  expect(listRotated(dir)).toEqual([]);
  now += 600_000;
  await vi.waitFor(() => expect(listRotated(dir)).toHaveLength(1));
  expect(readLog(dir)).toBe("");
  await callTimes(second, 1);
  await second.close();
  expect(verifyText(readWholeLog(dir))).toMatchObject({ chains: 2, findings: [] });
});

test("a start that finds an empty file is linked to the last line of the full one", async () => {
  const dir = await makeDir();
  let now = Date.parse("2026-11-26T00:00:00Z");
  const config = rotating(dir, { everyMs: 60_000 });
  const first = openAudit(dir, config, { now: () => now });
  first.start({});
  now += 60_000;
  await vi.waitFor(() => expect(readLog(dir)).toBe(""));
  // As a kill leaves it: nothing more is written.
  const second = openAudit(dir, config, { now: () => now });
  second.start({});
  await second.close();
  expect(verifyText(readWholeLog(dir)).findings).toEqual([]);
  await first.close();
});

test("what is removed as `keep` says is told, and what somebody else removed is found", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir, rotating(dir, { keep: 3 }));
  audit.start({});
  for (let i = 0; i < 10; i++) {
    await callTimes(audit, 5);
    await vi.waitFor(() => expect(listRotated(dir).length).toBeLessThanOrEqual(3));
  }
  await audit.close();
  const removals = readRecords(readWholeLog(dir)).filter(({ event }) => event === "audit.remove");
  expect(removals.at(-1)).toMatchObject({
    outcome: "success",
    removed: {
      file: expect.stringMatching(/^audit\.\d{6}\.ndjson/),
      head: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    },
  });
  expect(verifyText(readWholeLog(dir)).findings).toEqual([]);
  rmSync(listRotated(dir)[0]?.path ?? "");
  expect(verifyText(readWholeLog(dir)).findings).toMatchObject([{ kind: "missing", line: 1 }]);
});

test("lines of a file that was deleted are written again, and the log says that it was", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir);
  audit.start({});
  await callTimes(audit, 1);
  // Until the file was seen with both lines in it.
  await new Promise((resolve) => setTimeout(resolve, 600));
  await callTimes(audit, 2);
  rmSync(join(dir, "audit.ndjson"));
  await callTimes(audit, 1);
  audit.reopen();
  await audit.close();
  const records = readRecords(readLog(dir));
  expect(records.map(({ event }) => event)).toEqual([
    "tool.call",
    "tool.call",
    "tool.call",
    "audit.gap",
    "server.stop",
    "audit.checkpoint",
  ]);
  expect(records[3]).toMatchObject({ outcome: "failure", reason: "file_deleted" });
  expect(verifyText(readLog(dir)).findings).toMatchObject([{ kind: "missing", line: 1 }]);
});

test("a file that somebody emptied is noticed", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir);
  audit.start({});
  truncateSync(join(dir, "audit.ndjson"));
  audit.reopen();
  await audit.close();
  expect(readRecords(readLog(dir))[0]).toMatchObject({
    event: "audit.gap",
    reason: "file_truncated",
  });
});

test("a line that a crash cut off is removed also where files are rotated", async () => {
  const dir = await makeDir();
  const first = openAudit(dir, rotating(dir));
  first.start({});
  await callTimes(first, 9);
  await first.close();
  appendFileSync(join(dir, "audit.ndjson"), '{"v":1,"id":"01');
  const second = openAudit(dir, rotating(dir));
  second.start({});
  await callTimes(second, 9);
  await second.close();
  expect(verifyText(readWholeLog(dir))).toMatchObject({ chains: 2, open: 0, findings: [] });
});
