import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Ports } from "../../../src/base/ports.ts";
import { Secret } from "../../../src/base/secret.ts";
import { openLmdbRows } from "../../../src/broker/store/lmdb-rows.ts";
import { openRows } from "../../../src/broker/store/open.ts";
import { createRecords } from "../../../src/broker/store/records.ts";
import type { Rows } from "../../../src/broker/store/rows.ts";
import type { BrokerStoreConfig } from "../../../src/config/types/broker.ts";
import { noRedis, startRedis } from "../redis.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const ports: Ports = { now: () => Date.now(), log };
const key = (): Secret => new Secret(randomBytes(32).toString("base64"));

interface Kind {
  readonly name: string;
  readonly config: () => Promise<BrokerStoreConfig>;
  /** Two that open it see the same. */
  readonly shared: boolean;
}

async function directory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-lmdb-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const kinds: readonly Kind[] = [
  { name: "memory", config: async () => ({ kind: "memory" }), shared: false },
  {
    name: "lmdb",
    config: async () => ({ kind: "lmdb", dir: await directory(), keys: [key()] }),
    shared: true,
  },
  ...(noRedis === undefined
    ? [
        {
          name: "redis",
          config: async (): Promise<BrokerStoreConfig> => ({
            kind: "redis",
            url: (await startRedis()).url,
            username: undefined,
            password: undefined,
            prefix: "t[1]*:",
            keys: [key()],
          }),
          shared: true,
        },
      ]
    : []),
];

async function open(config: BrokerStoreConfig): Promise<Rows> {
  const rows = await openRows(config, ports);
  onTestFinished(() => rows.close());
  return rows;
}

const soon = (): number => Date.now() + 60_000;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString();

async function keysOf(rows: Rows, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const [name] of rows.list(prefix)) found.push(name);
  return found.toSorted();
}

describe.each(kinds)("rows in $name", ({ config }) => {
  test("what was put is read, replaced and deleted", async () => {
    const rows = await open(await config());
    expect(await rows.get("a/1")).toBeUndefined();
    await rows.put("a/1", bytes("one"), soon());
    expect(text(await rows.get("a/1"))).toBe("one");
    await rows.put("a/1", bytes("\0two"), soon());
    expect(text(await rows.get("a/1"))).toBe("\0two");
    await rows.delete("a/1");
    expect(await rows.get("a/1")).toBeUndefined();
  });

  test("of fifty who add, one succeeds; of fifty who take, one gets it", async () => {
    const rows = await open(await config());
    const added = await Promise.all(
      Array.from({ length: 50 }, (_, i) => rows.add("a/1", bytes(String(i)), soon())),
    );
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(text(await rows.get("a/1"))).toBe(String(added.indexOf(true)));
    const taken = await Promise.all(Array.from({ length: 50 }, () => rows.take("a/1")));
    expect(taken.filter((value) => value !== undefined)).toHaveLength(1);
    expect(await rows.add("a/1", bytes("again"), soon())).toBe(true);
  });

  test("a row that has ended is not there, and its place is free", async () => {
    const rows = await open(await config());
    await rows.put("a/1", bytes("old"), Date.now() - 1);
    expect(await rows.get("a/1")).toBeUndefined();
    expect(await rows.take("a/1")).toBeUndefined();
    expect(await rows.add("a/1", bytes("new"), soon())).toBe(true);
  });

  test("the rows of one kind are listed, and no others", async () => {
    const rows = await open(await config());
    for (const name of ["a/1", "a/2", "ab/1", "b/1"]) await rows.put(name, bytes(name), soon());
    await rows.put("a/3", bytes("ended"), Date.now() - 1);
    expect(await keysOf(rows, "a/")).toEqual(["a/1", "a/2"]);
  });
});

describe.each(kinds.filter(({ shared }) => shared))("rows in $name", ({ config }) => {
  test("who opens it again, or at the same time, sees the same", async () => {
    const settings = await config();
    const first = await open(settings);
    await first.put("a/1", bytes("one"), soon());
    const second = await open(settings);
    expect(text(await second.get("a/1"))).toBe("one");
    expect(await second.add("a/1", bytes("two"), soon())).toBe(false);
    await second.put("a/2", bytes("two"), soon());
    expect(text(await first.get("a/2"))).toBe("two");
  });

  test("an older key still opens, a missing one does not", async () => {
    const settings = await config();
    if (settings.kind === "memory") throw new Error("memory seals nothing");
    const old = await open(settings);
    await old.put("a/1", bytes("one"), soon());
    const rotated = await open({ ...settings, keys: [key(), ...settings.keys] });
    expect(text(await rotated.get("a/1"))).toBe("one");
    await rotated.put("a/2", bytes("two"), soon());
    await expect(old.get("a/2")).rejects.toThrow("does not open");
  });
});

test("a row that was copied to another place does not open there", async () => {
  const dir = await directory();
  const keys = [key()];
  const sealed = await open({ kind: "lmdb", dir, keys });
  await sealed.put("vault/alice", bytes("token of alice"), soon());
  await sealed.put("vault/bob", bytes("token of bob"), soon());
  const raw = await openLmdbRows(dir, ports.now);
  onTestFinished(() => raw.close());
  const stolen = await raw.get("vault/alice");
  await raw.put("vault/bob", stolen ?? bytes(""), soon());
  await expect(sealed.get("vault/bob")).rejects.toThrow("does not open");
});

test("neither a secret nor an id that is one can be read on disk", async () => {
  const dir = await directory();
  const rows = await open({ kind: "lmdb", dir, keys: [key()] });
  const records = createRecords(rows, ports.now);
  await records.put("vault", "canary-refresh-token", { token: "canary-access-token" }, soon());
  for (const name of await readdir(dir)) {
    const content = await readFile(join(dir, name));
    expect(content.includes("canary")).toBe(false);
  }
});

test("LMDB gives the room of ended rows back", async () => {
  const dir = await directory();
  let now = Date.now();
  const rows = await openLmdbRows(dir, () => now);
  onTestFinished(() => rows.close());
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        rows.put(`a/${round}-${i}`, randomBytes(1_000), now + 1_000),
      ),
    );
    now += 2_000;
    await rows.sweep();
  }
  expect(await keysOf(rows, "a/")).toEqual([]);
  const sizes = await Promise.all(
    (await readdir(dir)).map(async (name) => (await readFile(join(dir, name))).length),
  );
  // Five rounds in the room of two.
  expect(Math.max(...sizes)).toBeLessThan(2 * 500 * 4_096);
});

test("a Redis that goes away fails requests, and is found again", async ({ skip }) => {
  skip(noRedis !== undefined, noRedis);
  const redis = await startRedis();
  const events: string[] = [];
  const settings: BrokerStoreConfig = {
    kind: "redis",
    url: redis.url,
    username: undefined,
    password: undefined,
    prefix: "t:",
    keys: [key()],
  };
  const rows = await openRows(settings, {
    ...ports,
    log: { ...log, error: (event) => void events.push(event) },
  });
  onTestFinished(() => rows.close());
  await rows.put("a/1", bytes("one"), soon());
  await redis.kill();
  await expect(rows.get("a/1")).rejects.toThrow(/closed|writeable|ECONN/);
  await redis.start();
  await expect
    .poll(() => rows.get("a/1").then(text, () => "away"), { timeout: 10_000 })
    .toBe("one");
  expect(events.filter((event) => event === "broker_store_away")).toHaveLength(1);
});

test("a Redis that is not there is told at the start", async ({ skip }) => {
  skip(noRedis !== undefined, noRedis);
  const redis = await startRedis();
  await redis.kill();
  const settings: BrokerStoreConfig = {
    kind: "redis",
    url: redis.url,
    username: undefined,
    password: new Secret("canary-password"),
    prefix: "t:",
    keys: [key()],
  };
  await expect(openRows(settings, ports)).rejects.toThrow(/ECONNREFUSED|closed/);
});
