import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createReplays } from "../../src/auth/replays.ts";
import { inspect } from "../../src/gateway.ts";
import { createSharedStore, type SharedStore } from "../../src/gateway/shared-store.ts";
import { createLocalRates } from "../../src/limits/rate.ts";
import { noRedis, startRedis } from "../broker/redis.ts";
import { orders } from "../reload/orders.ts";
import { freePort, world } from "../world/world.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** One replica's view, with time enough for a slow machine. */
function joinStore(url: string, prefix = "t:"): SharedStore {
  const now = (): number => Date.now();
  const store = createSharedStore(
    { url, keys: [], username: undefined, password: undefined, prefix, timeoutMs: 5_000 },
    { take: createLocalRates(now), replays: createReplays({ entries: 100, perHolder: 100 }, now) },
    silent,
  );
  store.open();
  onTestFinished(() => store.close());
  return store;
}

/** Until it answers: from then on nothing is decided alone. */
async function reached(store: SharedStore): Promise<void> {
  await vi.waitFor(
    async () => {
      const before = store.misses();
      await store.take("warm", { count: 1_000, periodMs: 1_000 });
      expect(store.misses()).toBe(before);
    },
    { timeout: 10_000 },
  );
}

const proof = { id: "proof", holder: "alice" };
const another = { id: "other", holder: "alice" };
const rate = { count: 5, periodMs: 3_600_000 };

test("the same files at another place are the same generation", async () => {
  const at = await world(orders);
  const other = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(other, { recursive: true }));
  for (const name of ["gateway.yaml", "spec.json"]) await cp(join(at.dir, name), join(other, name));
  expect(await generationOf(other)).toBe(at.gateway.snapshot.generation);
});

async function generationOf(dir: string): Promise<string> {
  const { generation } = await inspect({
    file: join(dir, "gateway.yaml"),
    env: { CLIENT_SECRET: "client-secret" },
    info: { name: "tollgate", version: "0" },
    ports: { now: () => Date.now(), log: silent },
    fetch: globalThis.fetch,
  });
  return generation;
}

test("F64: without the store each replica counts alone, and nothing waits", async () => {
  const store = joinStore(`redis://127.0.0.1:${await freePort()}`);
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) waits.push(await store.take("a", rate));
  expect(waits.map((wait) => wait > 0)).toEqual([false, false, false, false, false, true]);
  expect(await store.replays.add(proof, Date.now() + 60_000)).toBe("first");
  expect(await store.replays.add(proof, Date.now() + 60_000)).toBe("again");
  expect(store.misses()).toBe(7);
});

test("a start does not wait for a store that is not there, and calls are served", async () => {
  const redis = `replicas: {redis: {url: "redis://127.0.0.1:${await freePort()}"}}`;
  const at = await world({
    ...orders,
    credential: "none",
    extra: { top: `limits: {rate: {principal: 2/h}}\n${redis}` },
  });
  expect((await at.call("list_orders")).isError).toBeUndefined();
  expect((await at.call("list_orders")).isError).toBeUndefined();
  expect((await at.call("list_orders")).isError).toBe(true);
});

describe("with a Redis", () => {
  beforeEach(({ skip }) => skip(noRedis !== undefined, noRedis));

  test("replicas share a rate, to the last call", async () => {
    const { url } = await startRedis();
    const stores = [joinStore(url), joinStore(url), joinStore(url)];
    await Promise.all(stores.map(reached));
    const waits = await Promise.all(
      Array.from({ length: 30 }, async (_, i) => stores[i % 3]?.take("a", rate)),
    );
    expect(waits.filter((wait) => wait === 0)).toHaveLength(5);
    const refused = waits.filter((wait) => wait !== 0);
    expect(refused).toHaveLength(25);
    for (const wait of refused) expect(wait).toBeLessThanOrEqual(3_600_000 / 5);
    expect(await stores[0]?.take("b", rate)).toBe(0);
  });

  test("a proof that one replica has seen is none for another", async () => {
    const { url } = await startRedis();
    const [one, two] = [joinStore(url), joinStore(url)];
    await Promise.all([reached(one), reached(two)]);
    expect(await one.replays.add(proof, Date.now() + 60_000)).toBe("first");
    expect(await two.replays.add(proof, Date.now() + 60_000)).toBe("again");
    expect(await two.replays.add(another, Date.now() + 60_000)).toBe("first");
  });

  test("F64: a store that goes away is done without, and used again when it is back", async () => {
    const redis = await startRedis();
    const store = joinStore(redis.url);
    await reached(store);
    await redis.kill();
    await vi.waitFor(async () => {
      const before = store.misses();
      expect(await store.take("c", rate)).toBe(0);
      expect(store.misses()).toBe(before + 1);
    });
    await redis.start();
    await reached(store);
  });

  test("a reload is told to the other replicas, and to nobody else", async () => {
    const { url } = await startRedis();
    const [one, two, stranger] = [joinStore(url), joinStore(url), joinStore(url, "other:")];
    await Promise.all([one, two, stranger].map(reached));
    const [told, strange]: string[][] = [[], []];
    two.onAnnounced((generation) => told?.push(generation));
    stranger.onAnnounced((generation) => strange?.push(generation));
    // A subscription is not there at once.
    await vi.waitFor(() => {
      one.announce("abc");
      expect(told).toContain("abc");
    });
    expect(strange).toEqual([]);
  });

  test("what a gateway applies is told", async () => {
    const { url } = await startRedis();
    const top = `replicas: {redis: {url: "${url}"}}`;
    const at = await world({ ...orders, credential: "none", extra: { top } });
    const other = joinStore(url, "tollgate:");
    await reached(other);
    const told: string[] = [];
    other.onAnnounced((generation) => told.push(generation));
    await vi.waitFor(() => {
      other.announce("a subscription is there");
      expect(told).not.toEqual([]);
    });
    const file = join(at.dir, "gateway.yaml");
    await writeFile(file, `${await readFile(file, "utf8")}# changed\n`);
    expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
    await vi.waitFor(() => expect(told).toContain(at.gateway.snapshot.generation));
  });
});
