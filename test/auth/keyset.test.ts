import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { createKeyStore, noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import {
  createGate,
  createIssuer,
  createKey,
  createWorld,
  endpoint,
  issuerConfig,
  jwks,
  oauth,
  presenter,
  sendJson,
  type Gate,
  type TestIssuer,
  depsOf,
} from "./issuer.ts";

const deps = { fetch: globalThis.fetch, store: noKeyStore };
const hour = 3_600_000;

function state({ keys, issuer }: Gate): string | undefined {
  return keys.of(issuer.url)?.state().status;
}

/** Every answer is this one. */
function breakWith(issuer: TestIssuer, answer: (response: ServerResponse) => void): void {
  issuer.answer = (_request, response) => {
    answer(response);
    return true;
  };
}

function goDown(issuer: TestIssuer): void {
  breakWith(issuer, (response) => void response.writeHead(503).end());
}

/** A good token that no cache knows yet. */
let serial = 0;
function fresh(issuer: TestIssuer, header = {}): Promise<string> {
  serial += 1;
  return issuer.sign({ jti: String(serial) }, header);
}

test("keys are found by OpenID Connect discovery, and then only that form is asked", async () => {
  const { issuer, keys, world } = await createGate();
  expect(await keys.load()).toEqual([]);
  expect(issuer.requests).toEqual([
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/jwks",
  ]);
  world.ms += 30_000;
  await keys.of(issuer.url)?.find("ES256", "new");
  expect(issuer.requests.slice(3)).toEqual(["/.well-known/openid-configuration", "/jwks"]);
});

test("the metadata of an issuer with a path is inserted (RFC 8414) or appended (OpenID)", async () => {
  const world = createWorld();
  const issuer = await createIssuer(world, "/realms/acme");
  const keys = createKeySets([issuerConfig(issuer.url)], deps, world);
  expect(await keys.load()).toEqual([]);
  expect(issuer.requests).toEqual([
    "/.well-known/oauth-authorization-server/realms/acme",
    "/realms/acme/.well-known/openid-configuration",
    "/jwks",
  ]);
});

test("RFC 8414 metadata alone is enough", async () => {
  const { issuer, keys } = await createGate();
  issuer.answer = ({ url }, response) => {
    if (url === "/jwks") return false;
    if (url !== "/.well-known/oauth-authorization-server") response.writeHead(404).end();
    else sendJson(response, { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` });
    return true;
  };
  expect(await keys.load()).toEqual([]);
});

test("a configured JWKS URL needs no discovery", async () => {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const config = issuerConfig("https://idp.test", { jwksUrl: `${issuer.url}/jwks` });
  const keys = createKeySets([config], deps, world);
  expect(await keys.load()).toEqual([]);
  expect(issuer.requests).toEqual(["/jwks"]);
});

test.each([
  (url: string) => `${url}/`,
  (url: string) => url.toUpperCase(),
  () => "https://evil.test",
  () => undefined,
])("K01, F36: metadata that names another issuer is refused (%#)", async (other) => {
  const { issuer, keys } = await createGate();
  issuer.metadata = { issuer: other(issuer.url) };
  expect(await keys.load()).toMatchObject([{ issuer: issuer.url, code: "issuer_mismatch" }]);
  expect(issuer.jwksRequests()).toBe(0);
});

test("K01, F36: metadata that changes its issuer later leaves the old keys", async () => {
  const gate = await createGate();
  const { issuer, present, world } = gate;
  expect(await present(await fresh(issuer))).toBe("ok");
  issuer.metadata = { issuer: "https://evil.test" };
  issuer.jwks.keys = [(await createKey("evil")).jwk];
  world.ms += hour;
  expect(await present(await fresh(issuer))).toBe("ok");
  expect(state(gate)).toBe("degraded");
});

test.each([
  ["http://169.254.169.254/latest/meta-data", "169.254.169.254: not https"],
  ["https://169.254.169.254/latest", "169.254.169.254: link-local"],
  ["https://[fe80::1]/jwks", "[fe80::1]: link-local"],
  ["https://[::ffff:169.254.169.254]/jwks", "[::ffff:a9fe:a9fe]: link-local"],
  ["https://evil.test/jwks", "evil.test: not the host of the issuer"],
  ["http://127.0.0.2:1/jwks", "127.0.0.2:1: not the host of the issuer"],
  ["http://evil.test/jwks", "evil.test: not https"],
  ["https://127.0.0.1@evil.test/jwks", "evil.test: the URL carries a password"],
  ["file:///etc/passwd", "file:: not https"],
  ["data:application/json,{}", "data:: not https"],
  [`https://127.0.0.1/${"x".repeat(2_048)}`, "jwks_uri: missing or not a URL"],
  ["/jwks", "jwks_uri: missing or not a URL"],
  [undefined, "jwks_uri: missing or not a URL"],
  [["https://127.0.0.1/jwks"], "jwks_uri: missing or not a URL"],
])("K02: jwks_uri %j is refused", async (jwksUri, why) => {
  const { issuer, keys, present } = await createGate();
  issuer.metadata = { jwks_uri: jwksUri };
  expect(await keys.load()).toMatchObject([
    {
      code: "jwks_url_refused",
      message: expect.stringContaining(`no keys are fetched from ${why}`),
    },
  ]);
  expect(issuer.jwksRequests()).toBe(0);
  expect(await present(await fresh(issuer))).toBe("503 keys_unavailable");
});

test.each(["http://idp.test", "https://169.254.169.254", "not a url"])(
  "K02: the issuer %j itself is refused when it is no safe origin",
  async (url) => {
    const keys = createKeySets([issuerConfig(url)], deps, createWorld());
    expect(await keys.load()).toMatchObject([{ issuer: url, code: "jwks_url_refused" }]);
  },
);

test("K03, F36: a redirect is not followed", async () => {
  const attacker = await createGate();
  const { issuer, keys } = await createGate();
  issuer.answer = ({ url }, response) => {
    if (url !== "/jwks") return false;
    response.writeHead(301, { location: `${attacker.issuer.url}/jwks` }).end();
    return true;
  };
  expect(await keys.load()).toMatchObject([
    { code: "issuer_unreachable", message: expect.stringContaining("redirect") },
  ]);
  expect(attacker.issuer.requests).toEqual([]);
});

test.each<[string, (response: ServerResponse) => void, string]>([
  ["HTML", (to) => to.writeHead(200, { "content-type": "text/html" }).end("<p>"), "content type"],
  ["untyped", (to) => to.end('{"keys":[]}'), "content type"],
  ["an error", (to) => to.writeHead(500).end(), "answers 500"],
  ["broken JSON", (to) => json(to).end("{"), "not a JSON object"],
  ["a list", (to) => json(to).end("[]"), "not a JSON object"],
  ["no keys", (to) => json(to).end("{}"), "no list"],
  ["keys that are no list", (to) => json(to).end('{"keys":{}}'), "no list"],
  ["an empty set", (to) => json(to).end('{"keys":[]}'), "no usable key"],
  ["useless members", (to) => json(to).end('{"keys":[null,1,{},{"kty":"oct"}]}'), "no usable key"],
  [
    "101 keys",
    (to) => json(to).end(JSON.stringify({ keys: Array.from({ length: 101 }, () => ({})) })),
    "at most 100",
  ],
  ["257 KiB", (to) => json(to).end(`{"a":"${"x".repeat(257 * 1024)}"}`), "larger than"],
  ["a cut answer", (to) => json(to).destroy(), "cannot be read"],
])("F34: a JWK set that is %s is a failure, and old keys stay", async (_name, answer, why) => {
  const gate = await createGate();
  const { issuer, present, world, keys } = gate;
  expect(await present(await fresh(issuer))).toBe("ok");
  issuer.answer = ({ url }, response) => {
    if (url !== "/jwks") return false;
    answer(response);
    return true;
  };
  world.ms += hour;
  expect(await present(await fresh(issuer))).toBe("ok");
  expect(keys.states()).toMatchObject([
    { status: "degraded", problem: { message: expect.stringContaining(why) } },
  ]);
  issuer.answer = undefined;
  world.ms += 1_000;
  expect(await present(await fresh(issuer))).toBe("ok");
  expect(state(gate)).toBe("ready");
});

function json(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { "content-type": "application/jwk-set+json; charset=utf-8" });
}

test("an issuer that never answers is given up", async () => {
  const { issuer, keys } = await createGate();
  issuer.answer = () => true;
  expect(await keys.load()).toMatchObject([
    { code: "issuer_unreachable", message: expect.stringContaining("timeout") },
  ]);
});

test("K05, F31: in an outage the last good keys serve for six hours, then nobody gets in", async () => {
  const gate = await createGate();
  const { issuer, present, world } = gate;
  expect(await present(await fresh(issuer))).toBe("ok");
  const start = world.ms;
  goDown(issuer);
  for (const passed of [0.2, 1, 3, 6]) {
    world.ms = start + passed * hour;
    expect(await present(await fresh(issuer))).toBe("ok");
    expect(await present(await fresh(issuer, { kid: "other" }))).toBe("401 unknown_key");
    expect(state(gate)).toBe("degraded");
  }
  world.ms = start + 6 * hour + 1;
  expect(await present(await fresh(issuer))).toBe("503 keys_unavailable");
  expect(state(gate)).toBe("unavailable");
  issuer.answer = undefined;
  world.ms += 60_000;
  expect(await present(await fresh(issuer))).toBe("ok");
});

test("K05: a known token outlives its issuer's outage only as long as the keys", async () => {
  const { issuer, authenticate, world, present } = await createGate();
  const start = world.ms;
  expect(await present(await fresh(issuer))).toBe("ok");
  goDown(issuer);
  world.ms = start + 6 * hour - 1_000;
  const token = await fresh(issuer);
  expect(await present(token)).toBe("ok");
  world.ms += 1_001;
  expect(authenticate.known(["authorization", `Bearer ${token}`])).toBeUndefined();
});

test("K06: in an outage attempts are spaced 1, 2, 4 … 60 s, one at a time", async () => {
  const { issuer, present, world } = await createGate();
  goDown(issuer);
  const attempts: number[] = [];
  const start = world.ms;
  for (let second = 0; second < 300; second += 0.5) {
    world.ms = start + second * 1_000;
    const before = issuer.requests.length;
    const tokens = await Promise.all([fresh(issuer), fresh(issuer)]);
    const answers = await Promise.all(tokens.map(present));
    expect(answers).toEqual(["503 keys_unavailable", "503 keys_unavailable"]);
    if (issuer.requests.length > before) attempts.push(second);
    // One attempt asks both forms of metadata.
    expect(issuer.requests.length - before).toBeLessThanOrEqual(2);
  }
  expect(attempts).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
});

test("K06, F33: unknown key ids cause one fetch in 30 s, in good times and bad", async () => {
  const { issuer, present, world } = await createGate();
  const start = world.ms;
  expect(await present(await fresh(issuer))).toBe("ok");
  for (const down of [false, true]) {
    if (down) goDown(issuer);
    const before = issuer.requests.length;
    const from = world.ms;
    for (let second = 1; second <= 90; second += 1) {
      world.ms = from + second * 1_000;
      const tokens = await Promise.all([1, 2, 3].map((n) => fresh(issuer, { kid: `x${n}` })));
      for (const answer of await Promise.all(tokens.map(present)))
        expect(answer).toBe("401 unknown_key");
    }
    // A good attempt asks for metadata and keys, a failed one for metadata only.
    expect(issuer.requests.length - before).toBe(down ? 3 : 6);
  }
  expect(world.ms).toBe(start + 180_000);
});

test("K07, F32: a new key is accepted within 30 s of a fetch, and the old one never stops", async () => {
  const { issuer, present, world } = await createGate();
  expect(await present(await fresh(issuer))).toBe("ok");
  const successor = await createKey("k2");
  issuer.jwks.keys = [successor.jwk, issuer.key.jwk];
  for (const [second, expected] of [
    [0, "401 unknown_key"],
    [29, "401 unknown_key"],
    [30, "ok"],
  ] as const) {
    world.ms = 1_800_000_000_000 + second * 1_000;
    expect(await present(await fresh(issuer))).toBe("ok");
    expect(await present(await issuer.sign({}, {}, successor))).toBe(expected);
  }
  expect(issuer.jwksRequests()).toBe(2);
});

test("K07: everybody who shows a new key waits for the one fetch", async () => {
  const { issuer, present, world } = await createGate();
  expect(await present(await fresh(issuer))).toBe("ok");
  const successor = await createKey("k2");
  issuer.jwks.keys = [successor.jwk, issuer.key.jwk];
  world.ms += 30_000;
  const people = ["alice", "bob", "carol"];
  const tokens = await Promise.all(people.map((sub) => issuer.sign({ sub }, {}, successor)));
  expect(await Promise.all(tokens.map(present))).toEqual(["ok", "ok", "ok"]);
  expect(issuer.jwksRequests()).toBe(2);
});

test("a withdrawn key stops verifying at the first fetch after ten minutes", async () => {
  const { issuer, present, world } = await createGate();
  expect(await present(await fresh(issuer))).toBe("ok");
  issuer.jwks.keys = [(await createKey("k2")).jwk];
  world.ms += 600_000;
  expect(await present(await fresh(issuer))).toBe("ok");
  world.ms += 1;
  expect(await present(await fresh(issuer))).toBe("401 unknown_key");
});

test("known tokens alone keep the keys fresh", async () => {
  const { issuer, authenticate, world } = await createGate();
  const start = world.ms;
  await authenticate(["authorization", `Bearer ${await fresh(issuer)}`]);
  world.ms = start + 599_000;
  const headers = ["authorization", `Bearer ${await fresh(issuer)}`];
  await authenticate(headers);
  issuer.jwks.keys = [(await createKey("k2")).jwk];
  world.ms = start + 600_001;
  expect(authenticate.known(headers)).toBeDefined();
  await expect.poll(() => authenticate.known(headers)).toBeUndefined();
});

test("K09: an issuer that is down at start is reported and tried again when needed", async () => {
  const gate = await createGate();
  const { issuer, keys, present, world } = gate;
  goDown(issuer);
  expect(await keys.load()).toMatchObject([{ issuer: issuer.url, code: "metadata_invalid" }]);
  expect(state(gate)).toBe("unavailable");
  expect(await present(await fresh(issuer))).toBe("503 keys_unavailable");
  issuer.answer = undefined;
  world.ms += 1_000;
  expect(await present(await fresh(issuer))).toBe("ok");
  expect(await keys.load()).toEqual([]);
  expect(issuer.jwksRequests()).toBe(1);
});

test("K09: after a restart in an outage the keys of the run before serve, as old as they are", async () => {
  const before = await createGate();
  const { issuer, world } = before;
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const file = join(dir, "keys");
  const start = (change = {}): ReturnType<typeof presenter> => {
    const config = oauth(issuerConfig(issuer.url, change));
    const keys = createKeySets(
      config.issuers,
      { fetch: globalThis.fetch, store: createKeyStore(file, world) },
      world,
    );
    return presenter(createAuthenticate(config, endpoint, depsOf(keys, world), world));
  };
  expect(await start()(await fresh(issuer))).toBe("ok");
  await expect.poll(() => readdir(file)).toHaveLength(1);
  const [name = ""] = await readdir(file);
  expect((await stat(join(file, name))).mode & 0o777).toBe(0o600);
  goDown(issuer);
  world.ms += 5 * hour;
  const after = start();
  expect(await after(await fresh(issuer))).toBe("ok");
  expect(await after(await fresh(issuer, { kid: "other" }))).toBe("401 unknown_key");
  expect(await start({ jwksUrl: `${issuer.url}/jwks` })(await fresh(issuer))).toBe(
    "503 keys_unavailable",
  );
  const attacker = await createKey("k1");
  expect(await after(await issuer.sign({}, {}, attacker))).toBe("401 bad_signature");
  world.ms += hour + 1;
  expect(await after(await fresh(issuer))).toBe("503 keys_unavailable");
  expect(await start()(await fresh(issuer))).toBe("503 keys_unavailable");
  issuer.answer = undefined;
  world.ms += 60_000;
  expect(await after(await fresh(issuer))).toBe("ok");
});

test.each([
  "{",
  "[]",
  '{"issuer":"https://other.test","loadedAt":0,"keys":[]}',
  '{"loadedAt":"x"}',
])("K09: a file of keys that says %j is none", async (text) => {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const store = createKeyStore(dir, createWorld());
  await store.write("https://idp.test", { jwksUrl: undefined, loadedAt: 1, keys: [] });
  expect(await store.read("https://idp.test")).toEqual({ loadedAt: 1, keys: [] });
  const [name = ""] = await readdir(dir);
  await writeFile(join(dir, name), text);
  expect(await store.read("https://idp.test")).toBeUndefined();
});

test("a directory that cannot be written is one warning, and nothing else changes", async () => {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const store = createKeyStore("/dev/null/keys", world);
  const keys = createKeySets([issuerConfig(issuer.url)], { ...deps, store }, world);
  expect(await keys.load()).toEqual([]);
  await expect
    .poll(() => world.lines.filter(({ event }) => event === "keys_not_kept"))
    .toHaveLength(1);
});

test("lazy issuers are not asked at start, and nobody waits for them", async () => {
  const { issuer, keys, present } = await createGate({ jwks: { ...jwks, startup: "lazy" } });
  goDown(issuer);
  expect(await keys.load()).toEqual([]);
  expect(issuer.requests).toEqual([]);
  issuer.answer = undefined;
  expect(await present(await fresh(issuer))).toBe("ok");
});

test("stale keys and the pause for unknown keys are as configured", async () => {
  const { issuer, present, world } = await createGate({
    jwks: { ...jwks, staleForMs: hour, cooldownMs: 5_000 },
  });
  expect(await present(await fresh(issuer))).toBe("ok");
  world.ms += 4_999;
  await present(await fresh(issuer, { kid: "x" }));
  expect(issuer.jwksRequests()).toBe(1);
  world.ms += 1;
  await present(await fresh(issuer, { kid: "x" }));
  expect(issuer.jwksRequests()).toBe(2);
  goDown(issuer);
  world.ms += hour + 1;
  expect(await present(await fresh(issuer))).toBe("503 keys_unavailable");
});

test("K02: a host that the operator names may have the keys", async () => {
  const other = await createGate();
  const hosted = await createGate({ jwks: { ...jwks, hosts: ["localhost"] } });
  const url = `http://localhost:${new URL(other.issuer.url).port}/jwks`;
  hosted.issuer.metadata = { jwks_uri: url };
  expect(await hosted.present(await hosted.issuer.sign({}, {}, other.issuer.key))).toBe("ok");
});

test("an issuer where nothing listens is a clear problem", async () => {
  const keys = createKeySets([issuerConfig("http://127.0.0.1:1")], deps, createWorld());
  expect(await keys.load()).toEqual([
    {
      issuer: "http://127.0.0.1:1",
      code: "issuer_unreachable",
      message: expect.stringMatching(/^http:\S+ cannot be read: \S/),
    },
  ]);
});

test("keys outlive a new configuration that names the same issuer and URL", async () => {
  const { issuer, keys } = await createGate();
  await keys.load();
  const before = keys.of(issuer.url);
  keys.replace([issuerConfig(issuer.url, { typ: "any" }), issuerConfig("https://new.test")]);
  expect(keys.of(issuer.url)).toBe(before);
  expect(keys.of("https://new.test")?.state().status).toBe("unavailable");
  keys.replace([issuerConfig(issuer.url, { jwksUrl: `${issuer.url}/jwks` })]);
  expect(keys.of(issuer.url)).not.toBe(before);
  expect(keys.of("https://new.test")).toBeUndefined();
});

test("private members published by mistake are left behind", async () => {
  const { issuer, present } = await createGate();
  issuer.jwks.keys = [{ ...issuer.key.jwk, d: "AAAA", ext: false }];
  expect(await present(await fresh(issuer))).toBe("ok");
});

test("no log line holds a token or a document", async () => {
  const { issuer, present, world } = await createGate();
  const token = await fresh(issuer);
  await present(token);
  await present(await fresh(issuer, { kid: "secret-kid" }));
  breakWith(issuer, (response) => json(response).end('{"secret-body": 1}'));
  world.ms += hour;
  await present(await fresh(issuer));
  const text = JSON.stringify(world.lines);
  expect(text).toContain("jwks_refresh_failed");
  for (const part of [...token.split("."), "secret-kid", "secret-body", "alice"])
    expect(text).not.toContain(part);
});
