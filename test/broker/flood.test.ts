import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { Secret } from "../../src/base/secret.ts";
import { openLedger } from "../../src/broker/ledger.ts";
import type { BrokerStoreConfig } from "../../src/config/config.ts";
import { house } from "../clients/house.ts";
import { callback, world } from "./world.ts";

vi.setConfig({ testTimeout: 120_000 });

afterEach(() => {
  vi.useRealTimers();
});

test("10,000 registrations from one address leave little behind, and others still register", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-flood-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const keys = [new Secret(randomBytes(32).toString("base64"))];
  const store: BrokerStoreConfig = { kind: "lmdb", dir, keys };
  const at = await world({ config: () => ({ store }) });
  onTestFinished(() => at.broker.close());
  const one = { redirect_uris: [callback], token_endpoint_auth_method: "none" };
  const flood = async (count: number): Promise<number> => {
    let accepted = 0;
    for (let left = count; left > 0; left -= 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => at.register(one)));
      accepted += answers.filter(({ status }) => status === 201).length;
    }
    return accepted;
  };

  // As fast as it can.
  expect(await flood(8_500)).toBe(60);
  // As fast as it may: the clock goes on by a minute for each fifty.
  let now = Date.now();
  vi.useFakeTimers({ now, toFake: ["Date"] });
  for (let round = 0; round < 30; round++) {
    now += 61_000;
    vi.setSystemTime(now);
    expect(await flood(50)).toBe(50);
  }

  // Somebody else, in the middle of it, registers and logs in.
  const honest = await registerFrom("127.0.0.2", at.issuer, {
    ...one,
    grant_types: ["authorization_code", "refresh_token"],
  });
  await flood(50);
  const { refresh_token } = await at.tokens({ clientId: honest });
  expect(refresh_token).toEqual(expect.any(String));

  const ledger = await openLedger(store, {
    now: () => Date.now(),
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  onTestFinished(() => ledger.close());
  const kept = await ledger.clients();
  expect(kept.length).toBeLessThanOrEqual(1_001);
  expect(kept.map(({ id }) => id)).toContain(honest);
  const sizes = await Promise.all(
    (await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size),
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(8 * 1024 * 1024);
});

test("behind a proxy that is believed, each address registers as often as it may", async () => {
  const at = await house({
    edit: (yaml) =>
      yaml.replace(/^server:\n/m, "$&  trustProxy: {networks: [127.0.0.0/8, '::1']}\n"),
  });
  const register = async (address: string): Promise<number> => {
    const response = await fetch(`${at.broker}/register`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": address },
      body: JSON.stringify({ redirect_uris: [callback], token_endpoint_auth_method: "none" }),
    });
    await response.body?.cancel();
    return response.status;
  };
  for (let count = 0; count < 60; count++) expect(await register("198.51.100.7")).toBe(201);
  expect(await register("198.51.100.7")).toBe(429);
  expect(await register("::ffff:198.51.100.7")).toBe(429);
  expect(await register("198.51.100.8")).toBe(201);
});

function registerFrom(localAddress: string, issuer: string, metadata: object): Promise<string> {
  const { port } = new URL(issuer);
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    const options = { host: "127.0.0.1", port, path: "/register", localAddress, headers };
    const sent = request({ ...options, method: "POST" }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      answer.on("end", () => {
        resolve((JSON.parse(text) as { readonly client_id: string }).client_id);
      });
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(metadata));
  });
}
