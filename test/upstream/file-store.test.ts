import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { createMemoryStore } from "../../src/base/byte-store.ts";
import { openFileStore } from "../../src/upstream/credential/file-store.ts";
import { describeByteStore } from "./byte-store-contract.ts";
import { createTestPorts } from "./credential-world.ts";

async function directory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return join(dir, "vault");
}

describe("in memory", () => {
  describeByteStore(async () => {
    const { now, forward } = createTestPorts();
    return { store: createMemoryStore(now), now, forward };
  });

  test("entries that have ended are not kept", async () => {
    const { now, forward } = createTestPorts();
    const store = createMemoryStore(now);
    for (let i = 0; i < 1_000; i++) {
      await store.add(`used/${i}`, new Uint8Array(), now() + 1_000);
      forward(100);
    }
    forward(1_000);
    await store.add("used/last", new Uint8Array(), now() + 1_000);
    expect(await store.list("")).toEqual(["used/last"]);
  });
});

describe("in files", () => {
  describeByteStore(async () => {
    const { now, forward } = createTestPorts();
    return { store: await openFileStore(await directory(), now), now, forward };
  });

  test("another process finds everything again, and nothing half written", async () => {
    const dir = await directory();
    const { now } = createTestPorts();
    const before = await openFileStore(dir, now);
    await before.put("row/a", Buffer.from("kept"));
    await before.add("used/x", Buffer.from("1"), now() + 60_000);
    await writeFile(join(dir, "0123.tmp"), "half");
    const after = await openFileStore(dir, now);
    expect((await after.list("")).toSorted()).toEqual(["row/a", "used/x"]);
    expect(await after.add("used/x", Buffer.from("2"), now() + 60_000)).toBe(false);
    expect((await readdir(dir)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("nobody else can read it", async () => {
    const dir = await directory();
    const store = await openFileStore(dir, Date.now);
    await store.put("row/a", Buffer.from("1"));
    const modes = await Promise.all(
      [dir, ...(await readdir(dir)).map((name) => join(dir, name))].map(
        async (path) => (await stat(path)).mode & 0o077,
      ),
    );
    expect(modes).toEqual([0, 0]);
  });

  test("marks that have ended leave the disk", async () => {
    const dir = await directory();
    const { now, forward } = createTestPorts();
    const store = await openFileStore(dir, now);
    for (let i = 0; i < 20; i++) await store.add(`used/${i}`, Buffer.from("1"), now() + 1_000);
    forward(61_000);
    await store.add("used/last", Buffer.from("1"), now() + 1_000);
    expect(await readdir(dir)).toEqual(["used%2Flast"]);
  });
});
