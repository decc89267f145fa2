import { createHmac, hash } from "node:crypto";
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { createDigest } from "../../src/observe/record/digest.ts";
import { createUlids } from "../../src/observe/record/ulid.ts";
import { readRecords } from "../world/audit.ts";
import {
  alice,
  callOf,
  makeDir,
  makeKey,
  openAudit,
  readLog,
  success,
  traceOf,
  verifyText,
} from "./audit.ts";

test("a record says who called what, how, why it was allowed and how it went", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir);
  audit.start({});
  const principal = {
    ...alice,
    claims: { groups: ["ops"], act: { sub: "agent-42", act: { sub: "agent-1", iss: "x" } } },
  };
  await audit.call(callOf({ principal, requestId: "17" }), success, traceOf({ attempts: 2 }));
  expect(readRecords(readLog(dir))[1]).toEqual({
    v: 1,
    id: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
    seq: 2,
    chain: expect.stringMatching(/@\d{4}-\d\d-\d\dT/),
    prev: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    event: "tool.call",
    phase: "result",
    outcome: "success",
    actor: {
      sub: "alice",
      iss: "https://sso.acme.test",
      client_id: "cursor",
      act: [{ sub: "agent-42" }, { sub: "agent-1", iss: "x" }],
      scopes: ["orders:read"],
      groups: ["ops"],
      token_fp: expect.stringMatching(/^hmac-sha256:[\w-]{22}$/),
      auth: "jwt",
    },
    client: { ip: "203.0.113.9", ua: "Cursor/2.1", name: "cursor", version: "2.1" },
    mcp: { transport: "http", protocol: "2026-07-28", method: "tools/call", request_id: "17" },
    tool: { name: "get_order" },
    policy: { decision: "allow" },
    args: { mode: "digest", digest: expect.stringMatching(/^hmac-sha256:[\w-]{22}$/), bytes: 8 },
    upstream: { name: "orders", status: 200, attempts: 2, duration_ms: 12 },
    response: { bytes: 812, is_error: false },
    duration_ms: expect.any(Number),
    gateway: { version: "1.2.3", instance: expect.any(String) },
  });
  await audit.close();
});

test("every line names the hash of the line before it, and the log is as verify wants it", async () => {
  const dir = await makeDir();
  const audit = openAudit(dir);
  audit.start({});
  await Promise.all(
    Array.from({ length: 50 }, async (_, id) =>
      audit.call(callOf({ args: { id } }), success, traceOf()),
    ),
  );
  await audit.close();
  const lines = readLog(dir).split("\n").slice(0, -1);
  for (const [i, line] of lines.slice(1).entries()) {
    expect(JSON.parse(line)).toMatchObject({ prev: `sha256:${hash("sha256", `${lines[i]}\n`)}` });
  }
  expect(lines).toHaveLength(53);
  expect(verifyText(readLog(dir))).toMatchObject({ records: 53, chains: 1, open: 0, findings: [] });
});

test("the next start is linked to the last line, also after a line that a crash cut off", async () => {
  const dir = await makeDir();
  const first = openAudit(dir);
  first.start({});
  await first.close();
  const whole = readLog(dir);
  appendFileSync(join(dir, "audit.ndjson"), '{"v":1,"id":"01');
  expect(verifyText(readLog(dir)).findings).toMatchObject([{ kind: "torn_line", line: 4 }]);
  const second = openAudit(dir);
  second.start({});
  await second.close();
  const text = readLog(dir);
  expect(text.startsWith(whole)).toBe(true);
  expect(readRecords(text)[3]).toMatchObject({ seq: 1, recovered: { torn_bytes: 15 } });
  expect(verifyText(text)).toMatchObject({ chains: 2, open: 0, findings: [] });
});

test("two processes may write one file at once", async () => {
  const dir = await makeDir();
  const [first, second] = [openAudit(dir), openAudit(dir)];
  for (const audit of [first, second]) audit.start({});
  for (let i = 0; i < 5; i++) {
    for (const audit of [first, second]) await audit.call(callOf(), success, traceOf());
  }
  await Promise.all([first.close(), second.close()]);
  expect(verifyText(readLog(dir))).toMatchObject({ records: 16, chains: 2, findings: [] });
});

test("S89: checkpoints come every 1000 records and at the end, signed by the key and no other", async () => {
  const dir = await makeDir();
  const { pem, publicKey } = makeKey();
  const audit = openAudit(dir, { signingKey: pem });
  audit.start({});
  for (let i = 0; i < 1_500; i++) void audit.call(callOf(), success, traceOf());
  await audit.close();
  const text = readLog(dir);
  expect(verifyText(text, { key: publicKey })).toMatchObject({ checkpoints: 2, findings: [] });
  expect(verifyText(text, { key: makeKey().publicKey }).findings).toMatchObject([
    { kind: "bad_signature", seq: 1_001 },
    { kind: "bad_signature", seq: 1_504 },
  ]);
});

describe("durability", () => {
  test("flushed: the line is in the file when the promise is kept, one write for a turn", async () => {
    const dir = await makeDir();
    const audit = openAudit(dir);
    const first = audit.call(callOf(), success, traceOf());
    const second = audit.call(callOf(), success, traceOf());
    expect(readLog(dir)).toBe("");
    expect(await first).toBe(true);
    expect(readRecords(readLog(dir))).toHaveLength(2);
    expect(second).toBe(first);
    await audit.close();
  });

  test("buffered: nobody waits, and the line comes soon", async () => {
    const dir = await makeDir();
    const audit = openAudit(dir, { durability: "buffered" });
    expect(audit.call(callOf(), success, traceOf())).toBe(true);
    await vi.waitFor(() => expect(readRecords(readLog(dir))).toHaveLength(1));
    await audit.close();
  });

  test("fsync: those who wait together are answered together", async () => {
    const dir = await makeDir();
    const audit = openAudit(dir, { durability: "fsync" });
    const waits = Array.from({ length: 64 }, async () => audit.call(callOf(), success, traceOf()));
    expect(await Promise.all(waits)).toEqual(Array(64).fill(true));
    expect(readRecords(readLog(dir))).toHaveLength(64);
    await audit.close();
  });
});

describe("a sink that fails", () => {
  test("F51: a file that is moved away is made anew, and the chain goes on", async () => {
    const dir = await makeDir();
    const audit = openAudit(dir);
    audit.start({});
    await audit.call(callOf(), success, traceOf());
    renameSync(join(dir, "audit.ndjson"), join(dir, "old.ndjson"));
    await vi.waitFor(() => expect(readLog(dir)).toBe(""));
    await audit.call(callOf(), success, traceOf());
    await audit.close();
    const old = readRecords(readLog(dir));
    expect(old[0]).toMatchObject({ seq: 3 });
    expect(audit.problem()).toBeUndefined();
  });

  test("F51: a directory that cannot be made again is told, records wait and are written after it", async () => {
    const dir = join(await makeDir(), "audit");
    const audit = openAudit(dir);
    audit.start({});
    rmSync(dir, { recursive: true });
    // A file in the place of the directory.
    writeFileSync(dir, "");
    await vi.waitFor(() => expect(audit.problem()).toMatch(/EEXIST|ENOTDIR/));
    expect(await audit.call(callOf(), success, traceOf())).toBe(false);
    rmSync(dir);
    await vi.waitFor(() => expect(audit.problem()).toBeUndefined());
    expect(await audit.call(callOf(), success, traceOf())).toBe(true);
    expect(readRecords(readLog(dir)).map(({ event }) => event)).toEqual([
      "server.start",
      "audit.gap",
      "tool.call",
      "tool.call",
    ]);
    expect(verifyText(readLog(dir)).findings).toEqual([]);
    await audit.close();
  });

  test("F52: what finds no room is counted, and the chain goes on over the gap", async () => {
    const dir = join(await makeDir(), "audit");
    const audit = openAudit(dir);
    audit.start({});
    rmSync(dir, { recursive: true });
    writeFileSync(dir, "");
    await vi.waitFor(() => expect(audit.problem()).toBeDefined());
    for (let i = 0; i < 10_050; i++) {
      void audit.call(callOf(), success, traceOf());
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    expect(await audit.call(callOf(), success, traceOf())).toBe(false);
    rmSync(dir);
    mkdirSync(dir);
    await vi.waitFor(() => expect(audit.problem()).toBeUndefined());
    await audit.call(callOf(), success, traceOf());
    await audit.close();
    const text = readLog(dir);
    const gaps = readRecords(text).filter(({ reason }) => reason === "queue_full");
    const calls = readRecords(text).filter(({ event }) => event === "tool.call").length;
    expect(gaps).toHaveLength(1);
    const { gap } = gaps[0] as unknown as { readonly gap: { readonly records: number } };
    expect(calls + gap.records).toBe(10_052);
    expect(verifyText(text).findings).toEqual([]);
  });

  test("F52: standard output that takes nothing is told after two seconds", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { createAudit } = await import("../../src/observe/audit.ts");
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const audit = createAudit(
      {
        sinks: [{ kind: "stdout" }],
        args: { default: { kind: "digest" }, tools: [] },
        result: "size",
        redact: { keys: [], detectors: [], schema: true },
        durability: "flushed",
        onFailure: "deny",
        signingKey: undefined,
      },
      { now: () => Date.now(), log },
      { version: "1", stdout: () => new Promise(() => {}), fetch },
    );
    const written = audit.call(callOf(), success, traceOf());
    await new Promise(setImmediate);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await written).toBe(false);
    vi.useRealTimers();
  });
});

describe("what callers can fill", () => {
  const long = '\u202E\u0000\u2028\u001B[2J"\\é'.repeat(200);
  test("S85: stays on one line of less than 4 KiB, with everything dangerous escaped", async () => {
    const dir = await makeDir();
    const audit = openAudit(dir);
    const principal = {
      ...alice,
      sub: long,
      iss: long,
      clientId: long,
      scopes: new Set(Array.from({ length: 500 }, (_, i) => `${long}${i}`)),
      claims: {
        groups: Array(500).fill(long),
        act: { sub: long, iss: long, act: { sub: long, iss: long, act: { sub: long } } },
      } as JsonObject,
    };
    const client = { ip: long, userAgent: long, name: long, version: long };
    const args = { text: "x\u202E".repeat(5_000_000) };
    const call = callOf({ principal, client, args, requestId: long, protocol: long, tool: long });
    await audit.call(call, success, traceOf({ tool: undefined }));
    await audit.call(call, success, traceOf());
    await audit.close();
    const lines = readLog(dir).split("\n").slice(0, -1);
    expect(lines).toHaveLength(4);
    for (const line of lines) {
      expect(Buffer.byteLength(line)).toBeLessThan(4_096);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
    }
    const bytes = Buffer.byteLength(JSON.stringify(args));
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ args: { bytes } });
  });
});

test("digests are HMAC-SHA-256", () => {
  const key = Buffer.from("k".repeat(32));
  for (const text of ["{}", '{"id":7}', "é\u{1F600}", "x".repeat(100_000)]) {
    const expected = createHmac("sha256", key).update(text).digest("base64url").slice(0, 22);
    expect(createDigest(key)(text)).toBe(`hmac-sha256:${expected}`);
  }
});

test("ids hold their time and sort in the order they were made in", () => {
  const make = createUlids();
  const ids = Array.from({ length: 5_000 }, (_, i) => make(1_700_000_000_000 + Math.floor(i / 7)));
  expect(new Set(ids).size).toBe(5_000);
  expect(ids.toSorted()).toEqual(ids);
  expect(make(1_469_918_176_385).slice(0, 10)).toBe("01ARYZ6S41");
});
