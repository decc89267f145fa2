import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, onTestFinished, test } from "vitest";

import { createMemoryStore } from "../../src/base/byte-store.ts";
import { createSealer } from "../../src/base/seal.ts";
import { Secret } from "../../src/base/secret.ts";
import { createTurns } from "../../src/base/turns.ts";
import { createGateway } from "../../src/gateway.ts";
import { createVault, type Connection } from "../../src/upstream/credential/vault.ts";
import { createTestPorts } from "../upstream/credential-world.ts";
import { connectWorld, type ConnectWorld } from "./world.ts";

const newKey = (): string => randomBytes(32).toString("base64");
const onDisk = (file: string): string => `dir: vault\n  keys: ["\${file:${file}}"]`;

/** Keys are files, so that a reload sees them change. */
async function withKeys(...keys: readonly string[]): Promise<ConnectWorld> {
  const files = keys.map((_, i) => `key-${i}`);
  const at = await connectWorld({
    connections: `dir: vault\n  keys: [${files.map((file) => `"\${file:${file}}"`).join(", ")}]`,
    files: Object.fromEntries(files.map((file, i) => [file, keys[i] ?? ""])),
  });
  return at;
}

describe("renewing a token", () => {
  /** Connected, and the first token ends at once. */
  const start = async (): Promise<ConnectWorld> => {
    const at = await connectWorld();
    at.provider.lifetime = 20;
    await at.connectAs("alice");
    at.provider.lifetime = 3_600;
    return at;
  };

  test("20 calls at once are one refresh, and all get what came", async () => {
    const at = await start();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    at.provider.beforeRefresh = () => gate;
    const calls = Array.from({ length: 20 }, () => at.modern());
    await expect.poll(() => at.provider.tokenRequests.length).toBe(2);
    release();
    const types = (await Promise.all(calls)).map(({ message }) => message.result?.resultType);
    expect(new Set(types)).toEqual(new Set(["complete"]));
    expect(new Set(at.bearers())).toEqual(new Set(["Bearer account-2"]));
    expect(at.provider.tokenRequests.map((form) => form.get("refresh_token"))).toEqual([
      null,
      "refresh-1",
    ]);
  });

  test("who disconnects while a token is renewed is disconnected, and what came is given back", async () => {
    const at = await start();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    at.provider.beforeRefresh = () => gate;
    const call = at.modern();
    await expect.poll(() => at.provider.tokenRequests.length).toBe(2);
    const page = await at.browser.open(`${new URL(at.url).origin}/disconnect/tracker`);
    const done = at.browser.submit(page);
    // Long enough for a form that waits for nobody.
    await Promise.race([done, sleep(300)]);
    release();
    expect((await done).status).toBe(200);
    expect((await call).message.result?.resultType).toBe("complete");
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    expect(at.provider.revoked).toEqual(["refresh-2"]);
  });

  test("a refresh token that was refused ends the connection, and the person gets a new link", async () => {
    const at = await start();
    at.provider.revokeAll();
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    // The row is gone: nobody is asked a second time.
    expect(at.provider.tokenRequests).toHaveLength(2);
    expect(at.api.requests).toEqual([]);
    await at.connectAs("alice");
    expect((await at.modern()).message.result?.resultType).toBe("complete");
  });

  test("a third party that is down is a tool error that says so, and nothing is lost", async () => {
    const at = await start();
    at.provider.fault = () => ({ status: 503, body: {} });
    const failed = await at.modern();
    expect(failed.message.result).toMatchObject({ resultType: "complete", isError: true });
    expect((await at.audit()).at(-1)).toMatchObject({ reason: "temporarily_unavailable" });
    at.provider.fault = undefined;
    expect((await at.modern()).message.result?.isError).toBeUndefined();
    expect(at.bearers()).toEqual(["Bearer account-2"]);
  });

  test("a third party that keeps the refresh token need not repeat it", async () => {
    const at = await start();
    at.provider.rotates = false;
    at.provider.lifetime = 20;
    for (let i = 0; i < 3; i++) await at.modern();
    expect(at.bearers()).toEqual(["Bearer account-2", "Bearer account-3", "Bearer account-4"]);
    expect(at.provider.tokenRequests.slice(1).map((form) => form.get("refresh_token"))).toEqual(
      Array.from({ length: 3 }, () => "refresh-1"),
    );
  });

  test("a token that the API refuses is renewed, and the call repeated once", async () => {
    const at = await connectWorld();
    await at.connectAs("alice");
    at.api.answer = ({ headers }, response) =>
      void response.writeHead(headers.authorization === "Bearer account-1" ? 401 : 204).end();
    expect((await at.modern()).message.result?.isError).toBeUndefined();
    expect(at.bearers()).toEqual(["Bearer account-1", "Bearer account-2"]);
  });

  test("one that is refused and cannot be renewed leads to a new link", async () => {
    const at = await connectWorld();
    await at.connectAs("bob");
    at.provider.rotates = false;
    await at.connectAs("alice");
    at.api.answer = (_, response) => void response.writeHead(401).end();
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    expect(at.bearers()).toEqual(["Bearer account-2"]);
  });

  test("what came is on disk before it is used", async () => {
    const at = await withKeys(newKey());
    at.provider.lifetime = 20;
    await at.connectAs("alice");
    at.provider.lifetime = 3_600;
    const dir = join(at.dir, "vault");
    const [before] = await rows(at);
    let during: readonly Buffer[] = [];
    at.api.answer = async (_, response) => {
      during = await rows(at);
      response.writeHead(204).end();
    };
    await at.modern();
    expect(during).toHaveLength(1);
    expect(during[0]).not.toEqual(before);
    // A gateway that crashes during its first use has the new refresh token, not the old one.
    expect((await readdir(dir)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

async function rowNames({ dir }: ConnectWorld): Promise<readonly string[]> {
  const names = await readdir(join(dir, "vault"));
  return names.filter((name) => name.startsWith("connection")).toSorted();
}

async function rows(at: ConnectWorld): Promise<readonly Buffer[]> {
  const names = await rowNames(at);
  return Promise.all(names.map((name) => readFile(join(at.dir, "vault", name))));
}

describe("O15: a row belongs to one person", () => {
  test("copied to another person's place it is junk: they are asked to connect, and get nobody's token", async () => {
    const at = await withKeys(newKey());
    await at.connectAs("alice");
    const [alices = ""] = await rowNames(at);
    at.idp.signedIn = "bob";
    await at.connectAs("bob");
    const bobs = (await rowNames(at)).find((name) => name !== alices) ?? "";
    await copyFile(join(at.dir, "vault", alices), join(at.dir, "vault", bobs));
    const answer = await at.modern({ claims: { sub: "bob" } });
    expect(answer.message.result?.resultType).toBe("input_required");
    expect(at.api.requests).toEqual([]);
    expect(at.logs.join("\n")).toContain("vault_row_unreadable");
    expect((await at.modern()).message.result?.resultType).toBe("complete");
  });

  test("moved, truncated or changed it is junk as well", async () => {
    const at = await withKeys(newKey());
    await at.connectAs("alice");
    const [name = ""] = await rowNames(at);
    const file = join(at.dir, "vault", name);
    const whole = await readFile(file);
    const changed = Buffer.from(whole);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    for (const bytes of [changed, whole.subarray(0, 40), Buffer.alloc(0), randomBytes(200)]) {
      await writeFile(file, bytes);
      expect((await at.modern()).message.result?.resultType).toBe("input_required");
    }
    await writeFile(file, whole);
    await rename(file, `${file.slice(0, -4)}0000`);
    expect((await at.modern()).message.result?.resultType).toBe("input_required");
    expect(at.api.requests).toEqual([]);
  });

  test("its name and its bytes tell nothing of person or token", async () => {
    const at = await withKeys(newKey());
    await at.connectAs("alice");
    const text = [...(await rowNames(at)), ...(await rows(at)).map(String)].join("\n");
    for (const word of ["alice", "account-", "refresh-", "127.0.0.1"])
      expect(text).not.toContain(word);
  });
});

describe("keys", () => {
  const connection: Connection = {
    accessToken: new Secret("account"),
    refreshToken: undefined,
    scope: ["a"],
    expiresAt: 7,
  };
  const alice = { iss: "https://sso.test", sub: "alice", provider: "tracker" };

  test("a new first key takes everything over; then the old one can go, and without it nothing was lost", async () => {
    const { log, now, lines } = createTestPorts();
    const store = createMemoryStore(now);
    const [old, next] = [new Secret(newKey()), new Secret(newKey())];
    const vault = (...keys: readonly Secret[]) =>
      createVault({ store, inTurn: createTurns() }, createSealer(keys, "vault"), log);
    const bob = { ...alice, sub: "bob" };
    await vault(old).put(alice, connection);
    await vault(next, old).put(bob, connection);
    expect(await vault(next, old).rekey()).toBe(1);
    expect(await vault(next, old).rekey()).toBe(0);
    for (const who of [alice, bob])
      expect((await vault(next).get(who))?.accessToken.reveal()).toBe("account");
    expect(lines).toEqual([]);
    expect(await vault(old).get(alice)).toBeUndefined();
    expect(lines).toMatchObject([{ level: "error", event: "vault_row_unreadable" }]);
  });

  test("what is renewed while the keys change is not overwritten with what was there before", async () => {
    const { log, now } = createTestPorts();
    const memory = createMemoryStore(now);
    const inTurn = createTurns();
    const [old, next] = [new Secret(newKey()), new Secret(newKey())];
    const before = createVault({ store: memory, inTurn }, createSealer([old], "vault"), log);
    await before.put(alice, connection);
    const renewed = { ...connection, accessToken: new Secret("renewed") };
    let renewal: Promise<void> | undefined;
    // While the row is read another one wants to write it.
    const get = async (key: string): Promise<Uint8Array | undefined> => {
      const found = await memory.get(key);
      renewal ??= before.alone(alice, () => before.put(alice, renewed));
      await sleep(20);
      return found;
    };
    const sealer = createSealer([next, old], "vault");
    const vault = createVault({ store: { ...memory, get }, inTurn }, sealer, log);
    await vault.rekey();
    await renewal;
    expect((await vault.get(alice))?.accessToken.reveal()).toBe("renewed");
  });

  test("nobody is anybody else: names with borders inside, the same subject elsewhere", async () => {
    const { log, now } = createTestPorts();
    const place = { store: createMemoryStore(now), inTurn: createTurns() };
    const vault = createVault(place, createSealer([], "vault"), log);
    await vault.put(alice, connection);
    for (const other of [
      { ...alice, iss: "https://other.test" },
      { ...alice, sub: 'alice","tracker' },
      { ...alice, sub: "Alice" },
      { ...alice, provider: "wiki" },
    ])
      expect(await vault.get(other)).toBeUndefined();
  });

  test("a restart finds connections again, a reload with a new key takes them over", async () => {
    const [old, next] = [newKey(), newKey()];
    const at = await withKeys(old);
    await at.connectAs("alice");
    const before = await rows(at);
    await at.gateway.close();
    const again = await createGateway(at.options);
    onTestFinished(() => again.close());
    await again.listen();
    expect((await at.modern()).message.result?.resultType).toBe("complete");

    const yaml = await readFile(at.options.file, "utf8");
    await writeFile(join(at.dir, "key-1"), next);
    await writeFile(
      at.options.file,
      yaml.replace('"${file:key-0}"', '"${file:key-1}", "${file:key-0}"'),
    );
    expect(await again.reload()).toMatchObject({ outcome: "applied" });
    await expect.poll(() => at.logs.join("\n")).toContain("vault_rekeyed");
    expect(await rows(at)).not.toEqual(before);
    await writeFile(at.options.file, yaml.replace("key-0", "key-1"));
    expect(await again.reload()).toMatchObject({ outcome: "applied" });
    expect((await at.modern()).message.result?.resultType).toBe("complete");
    expect(at.bearers()).toEqual(["Bearer account-1", "Bearer account-1"]);
  });

  test("a directory that cannot be used is found at start", async () => {
    await expect(
      connectWorld({
        connections: onDisk("key").replace("vault", "gateway.yaml"),
        files: { key: newKey() },
      }),
    ).rejects.toMatchObject({
      name: "ConfigError",
      issues: [expect.objectContaining({ code: "connections_unavailable" })],
    });
  });
});
