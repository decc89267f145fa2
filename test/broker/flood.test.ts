import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { request, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Secret } from "../../src/base/secret.ts";
import { openLedger } from "../../src/broker/ledger.ts";
import type { BrokerStoreConfig } from "../../src/config/types/broker.ts";
import { house } from "../clients/house.ts";
import { office } from "./office.ts";
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

describe("a flood of sign-ins", () => {
  test("is slowed down for its address before anything is kept of it", async () => {
    vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
    const at = await world();
    const clientId = await at.client();
    const url = at.authorizeUrl({ client_id: clientId });
    const flood = await Promise.all(Array.from({ length: 303 }, () => getFrom("127.0.0.1", url)));
    expect(flood.filter(({ status }) => status === 303)).toHaveLength(300);
    const slowed = flood.filter(({ status }) => status === 429);
    expect(slowed).toHaveLength(3);
    for (const { headers, text } of slowed) {
      expect(headers["retry-after"]).toBe("1");
      expect(headers["set-cookie"]).toBeUndefined();
      expect(headers["x-frame-options"]).toBe("DENY");
      expect(text).toContain("too_many_sign_ins");
    }
    expect(at.events.filter(({ outcome }) => outcome === "denied")).toEqual(
      Array.from({ length: 3 }, () => ({
        event: "broker.refuse",
        outcome: "denied",
        reason: "too_many_sign_ins",
        sub: undefined,
        clientId: undefined,
        detail: "/authorize from 127.0.0.1",
      })),
    );
    // Others are not held up, nor is it for long.
    expect((await getFrom("127.0.0.2", url)).status).toBe(303);
    vi.setSystemTime(Date.now() + 200);
    expect((await getFrom("127.0.0.1", url)).status).toBe(303);
    expect((await getFrom("127.0.0.1", url)).status).toBe(429);
  });

  test("goes no faster by its later steps, which share one count", async () => {
    vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
    const at = await office();
    const ask = (path: string): Promise<Answer> => getFrom("127.0.0.1", new URL(path, at.issuer));
    const paths = ["/interaction/none", "/idp/callback?state=none", "/authorize/none"];
    for (let sent = 0; sent < 1_800; sent += 60) {
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => ask(paths[i % paths.length] ?? "")),
      );
      expect(answers.map(({ status }) => status)).not.toContain(429);
    }
    for (const path of paths) {
      const { status, headers } = await ask(path);
      expect([status, headers["retry-after"]]).toEqual([429, "1"]);
    }
    expect(
      at.events.map(({ detail }) => detail).filter((text) => text?.includes(" from ")),
    ).toEqual(["/interaction from 127.0.0.1", "/idp from 127.0.0.1", "/authorize from 127.0.0.1"]);
    // Nobody who starts is held up by who goes on.
    const clientId = await at.client();
    expect((await getFrom("127.0.0.1", at.authorizeUrl({ client_id: clientId }))).status).toBe(303);
  });

  test.each([false, true])(
    "is counted by the address behind the proxy and recorded (on one origin: %s)",
    async (shared) => {
      vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
      const at = await house({
        shared,
        edit: (yaml) =>
          yaml.replace(/^server:\n/m, "$&  trustProxy: {networks: [127.0.0.0/8, '::1']}\n"),
      });
      const url = new URL(`${at.broker}/authorize?client_id=nobody`);
      const statuses = async (address: string, count: number): Promise<number[]> => {
        const headers = { "x-forwarded-for": `10.0.0.1, ${address}` };
        const sent = Array.from({ length: count }, () => getFrom("127.0.0.1", url, headers));
        return (await Promise.all(sent)).map(({ status }) => status);
      };
      for (let sent = 0; sent < 300; sent += 50)
        expect(await statuses("198.51.100.7", 50)).not.toContain(429);
      expect(await statuses("198.51.100.7", 2)).toEqual([429, 429]);
      expect(await statuses("198.51.100.8", 1)).not.toContain(429);
      const log = await readFile(join(at.dir, "audit", "audit.ndjson"), "utf8");
      const records = log
        .split("\n")
        .filter((line) => line.includes("too_many_sign_ins"))
        .map((line) => JSON.parse(line) as object);
      expect(records).toEqual(
        Array.from({ length: 2 }, () =>
          expect.objectContaining({
            event: "broker.action",
            outcome: "denied",
            reason: "too_many_sign_ins",
            broker: { action: "refuse", detail: "/authorize from 198.51.100.7" },
          }),
        ),
      );
    },
  );

  test("is not one record each in the audit log", async () => {
    vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
    const at = await house();
    const url = new URL(`${at.broker}/authorize?client_id=nobody`);
    for (let sent = 0; sent < 600; sent += 50)
      await Promise.all(Array.from({ length: 50 }, () => getFrom("127.0.0.1", url)));
    await at.gateway.close();
    const log = await readFile(join(at.dir, "audit", "audit.ndjson"), "utf8");
    const records = log
      .split("\n")
      .filter((line) => line.includes("too_many_sign_ins"))
      .map((line) => JSON.parse(line) as { readonly count?: number; readonly broker: object });
    expect(records.length).toBeLessThan(300);
    expect(records.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(300);
    const together = records.filter(({ count }) => count !== undefined);
    expect(together.map(({ broker }) => broker)).toEqual(
      together.map(() => ({ action: "refuse" })),
    );
  });
});

test("token requests of one address are slowed down together, whatever they ask", async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
  const at = await world();
  const paths = ["/token", "/revoke", "/introspect"];
  const ask = (path: string, from = "127.0.0.1"): Promise<Answer> =>
    getFrom(from, new URL(path, at.issuer), {}, "POST");
  for (let sent = 0; sent < 6_000; sent += 60) {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => ask(paths[i % paths.length] ?? "")),
    );
    expect(answers.map(({ status }) => status)).not.toContain(429);
  }
  for (const path of paths) {
    const { status, headers, text } = await ask(path);
    expect([status, headers["retry-after"]]).toEqual([429, "1"]);
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(JSON.parse(text)).toMatchObject({ error: "temporarily_unavailable" });
  }
  expect(at.events.filter(({ reason }) => reason?.startsWith("too_many"))).toEqual(
    paths.map((path) => ({
      event: "broker.refuse",
      outcome: "denied",
      reason: "too_many_token_requests",
      sub: undefined,
      clientId: undefined,
      detail: `${path} from 127.0.0.1`,
    })),
  );
  // Others are not held up, nor is it for long, nor are people who sign in.
  expect((await ask("/token", "127.0.0.2")).status).toBe(400);
  vi.setSystemTime(Date.now() + 10);
  expect((await ask("/token")).status).toBe(400);
  expect((await ask("/token")).status).toBe(429);
  const clientId = await at.client();
  expect((await getFrom("127.0.0.1", at.authorizeUrl({ client_id: clientId }))).status).toBe(303);
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function getFrom(
  localAddress: string,
  url: URL,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { host, port, pathname, search } = url;
    const path = `${pathname}${search}`;
    const options = { host: "127.0.0.1", port, path, localAddress, headers: { ...headers, host } };
    const sent = request({ ...options, method }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      answer.on("end", () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

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
