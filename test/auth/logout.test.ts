import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { exportJWK } from "jose";
import { Provider } from "oidc-provider/lib/provider.js";
import { expect, onTestFinished, test } from "vitest";
import { compileLogout, readLogoutForm, type ReadLogout } from "../../src/auth/logout.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import { readRecords } from "../world/audit.ts";
import { world, type World as Gateway } from "../world/world.ts";
import {
  createIssuer,
  createKey,
  createWorld,
  issuerConfig,
  outcome,
  sign,
  type Claims,
  type TestIssuer,
  type World,
} from "./issuer.ts";

const event = "http://schemas.openid.net/event/backchannel-logout";

interface Channel {
  readonly world: World;
  readonly issuer: TestIssuer;
  readonly read: ReadLogout;
  /** A good logout token, but for the changes. */
  readonly logout: (claims?: Claims, header?: Claims) => Promise<string>;
}

async function createChannel(): Promise<Channel> {
  const made = createWorld();
  const issuer = await createIssuer(made);
  const config = issuerConfig(issuer.url, { backChannelLogout: { audience: ["tollgate"] } });
  const keys = createKeySets([config], { fetch: globalThis.fetch, store: noKeyStore }, made);
  const read = compileLogout({ issuers: [config] }, keys, made);
  if (read === undefined) throw new TypeError("no back channel");
  const now = made.ms / 1000;
  return {
    world: made,
    issuer,
    read,
    logout: (claims = {}, header = {}) =>
      sign(
        {
          iss: issuer.url,
          aud: "tollgate",
          iat: now,
          exp: now + 120,
          jti: "j1",
          sub: "alice",
          sid: "s1",
          events: { [event]: {} },
          ...claims,
        },
        { typ: "logout+jwt", ...header },
        issuer.key,
      ),
  };
}

test("a logout token says whose tokens end, and until when that can matter", async () => {
  const { read, logout, issuer, world: made } = await createChannel();
  expect(await read(await logout())).toEqual({
    iss: issuer.url,
    id: "j1",
    sub: "alice",
    sid: "s1",
    issuedUntil: made.ms,
    // The longest lifetime of a token, and the tolerance of both clocks.
    endsAt: made.ms + 86_400_000 + 60_000,
  });
  expect(await read(await logout({ sub: undefined }))).toMatchObject({ sub: undefined, sid: "s1" });
  expect(await read(await logout({ sid: undefined }))).toMatchObject({
    sub: "alice",
    sid: undefined,
  });
  expect(await read(await logout({ aud: ["other", "tollgate"] }, { typ: "JWT" }))).toBeDefined();
  expect(await read(await logout({}, { typ: undefined }))).toBeDefined();
  // Drafts of the specification had no exp.
  const old = { exp: undefined, iat: made.ms / 1000 - 149 };
  expect(await read(await logout(old))).toMatchObject({ issuedUntil: made.ms - 149_000 });
  expect(await read(await logout({}, { typ: "application/logout+jwt" }))).toBeDefined();
});

const now = 1_800_000_000;

test.each<[string, Claims, Claims, string]>([
  ["no event", { events: undefined }, {}, "not_a_logout_token"],
  ["another event", { events: { "https://a.test/event": {} } }, {}, "not_a_logout_token"],
  ["an event that is no object", { events: { [event]: true } }, {}, "not_a_logout_token"],
  ["a list of events", { events: [event] }, {}, "not_a_logout_token"],
  ["a nonce", { nonce: "n" }, {}, "not_a_logout_token"],
  ["a nonce that is null", { nonce: null }, {}, "not_a_logout_token"],
  ["the type of an access token", {}, { typ: "at+jwt" }, "not_a_logout_token"],
  ["the type of an ID token", {}, { typ: "id_token+jwt" }, "not_a_logout_token"],
  ["another issuer", { iss: "https://other.test" }, {}, "unknown_issuer"],
  ["a list of issuers", { iss: ["x"] }, {}, "unknown_issuer"],
  ["no issuer", { iss: undefined }, {}, "unknown_issuer"],
  ["another audience", { aud: "other" }, {}, "wrong_audience"],
  ["an audience that is a part", { aud: "tollgate2" }, {}, "wrong_audience"],
  ["a mixed audience", { aud: ["tollgate", 1] }, {}, "wrong_audience"],
  ["no audience", { aud: undefined }, {}, "wrong_audience"],
  ["no iat", { iat: undefined }, {}, "invalid_time"],
  ["an iat that is a text", { iat: String(now) }, {}, "invalid_time"],
  ["an iat to come", { iat: now + 31 }, {}, "issued_in_future"],
  ["an exp that is a text", { exp: "x" }, {}, "invalid_time"],
  ["no exp and an old iat", { exp: undefined, iat: now - 151 }, {}, "expired"],
  ["an end that has passed", { exp: now - 31 }, {}, "expired"],
  ["no jti", { jti: undefined }, {}, "invalid_logout"],
  ["an empty jti", { jti: "" }, {}, "invalid_logout"],
  ["an endless jti", { jti: "j".repeat(513) }, {}, "invalid_logout"],
  ["neither sub nor sid", { sub: undefined, sid: undefined }, {}, "invalid_logout"],
  ["a sub that is no text", { sub: 7 }, {}, "invalid_logout"],
  ["a sid that is no text", { sid: null }, {}, "invalid_logout"],
  ["an empty sub", { sub: "" }, {}, "invalid_logout"],
  ["an algorithm that is not accepted", {}, { alg: "none" }, "unsupported_algorithm"],
  ["an unknown key", {}, { kid: "k2" }, "unknown_key"],
  ["a critical extension", {}, { crit: ["x"], x: 1 }, "malformed_token"],
])("a logout token with %s is refused", async (_what, claims, header, reason) => {
  const { read, logout } = await createChannel();
  // What jose does not sign is put in front of a signature.
  const { alg, crit, x, ...rest } = header;
  const good = await logout(claims, rest);
  const [head = "", ...parts] = good.split(".");
  const fields = JSON.parse(Buffer.from(head, "base64url").toString()) as object;
  const changed = { ...fields, ...(alg ? { alg } : {}), ...(crit ? { crit, x } : {}) };
  const text = [Buffer.from(JSON.stringify(changed)).toString("base64url"), ...parts].join(".");
  expect(await outcome(read(alg || crit ? text : good))).toBe(`401 ${reason}`);
});

test("a logout token by another key is refused, and none is believed while there are no keys", async () => {
  const { read, logout, issuer } = await createChannel();
  const stranger = await createKey("k1");
  const [, payload = ""] = (await logout()).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims;
  expect(await outcome(read(await sign(claims, { typ: "logout+jwt" }, stranger)))).toBe(
    "401 bad_signature",
  );
  const down = await createChannel();
  down.issuer.answer = (_, response) => {
    response.writeHead(503).end();
    return true;
  };
  expect(await outcome(down.read(await down.logout()))).toBe("503 keys_unavailable");
  expect(issuer.jwksRequests()).toBe(1);
});

test("an access token ends no login, and a logout token lets nobody in", async () => {
  const { read, issuer } = await createChannel();
  expect(await outcome(read(await issuer.sign({ aud: "tollgate" })))).toBe(
    "401 not_a_logout_token",
  );
});

test.each(["", "logout_token=", "token=a", "logout_token=a&logout_token=b", "{}"])(
  "the form %j has no logout token",
  (body) => {
    expect(() => readLogoutForm(body)).toThrow(expect.objectContaining({ status: 400 }));
  },
);

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const issuer = "backChannelLogout: {audience: [tollgate]}";

async function call(at: Gateway, token: string): Promise<number> {
  const params = { name: "list_orders", arguments: {} };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  return (await at.post(body, { authorization: `Bearer ${token}` })).status;
}

interface LogoutAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function send(
  at: Gateway,
  body: string,
  type = "application/x-www-form-urlencoded",
): Promise<LogoutAnswer> {
  const url = `${new URL(at.url).origin}/backchannel-logout`;
  const response = await fetch(url, { method: "POST", headers: { "content-type": type }, body });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function logOut(at: Gateway, claims: Claims): Promise<LogoutAnswer> {
  const base = { aud: "tollgate", scope: undefined, client_id: undefined };
  const token = await at.idp.token({ ...base, events: { [event]: {} }, ...claims }, "logout+jwt");
  return send(at, `logout_token=${token}`);
}

test("T41: a logout at the issuer ends the person's tokens at once, known or not, and what was got with them", async () => {
  const at = await world({ spec, extra: { issuer } });
  const past = Math.floor(Date.now() / 1000) - 5;
  const token = await at.idp.token({ iat: past });
  const fresh = await at.idp.token({ iat: past });
  const bob = await at.idp.token({ iat: past, sub: "bob" });
  expect([await call(at, token), await call(at, bob)]).toEqual([200, 200]);
  expect(at.idp.tokenRequests).toHaveLength(2);

  const answer = await logOut(at, { sub: "alice", sid: "s1", iat: past + 2 });
  expect(answer).toMatchObject({ status: 200, text: "" });
  expect(answer.headers.get("cache-control")).toBe("no-store");
  expect([await call(at, token), await call(at, fresh), await call(at, bob)]).toEqual([
    401, 401, 200,
  ]);
  expect(at.idp.tokenRequests).toHaveLength(2);

  // A new login is a new token, for which nothing is kept.
  expect(await call(at, await at.idp.token({ iat: past + 4 }))).toBe(200);
  expect(at.idp.tokenRequests).toHaveLength(3);
  const records = readRecords(await at.auditText());
  expect(records.filter((record) => record["event"] === "auth.logout")).toMatchObject([
    { outcome: "success", logout: { issuer: at.idp.url, sub: "alice", sid: "s1" } },
  ]);
  expect(records.filter((record) => record["event"] === "auth.deny")).toMatchObject([
    { reason: "logged_out" },
    { reason: "logged_out" },
  ]);
});

test("T41: exchanged tokens of a person who is logged out or denied are gone, and come back to nobody", async () => {
  const at = await world({ spec, extra: { issuer } });
  const past = Math.floor(Date.now() / 1000) - 5;
  const token = await at.idp.token({ iat: past });
  expect(await call(at, token)).toBe(200);
  const file = join(at.dir, "gateway.yaml");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace("{mode: oauth,", "{mode: oauth, deny: {sub: [alice]},"));
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
  expect(await call(at, token)).toBe(401);
  await writeFile(file, `${text}\n`);
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
  // Let in again, and the token of before is not there any more.
  expect(await call(at, token)).toBe(200);
  expect(at.idp.tokenRequests).toHaveLength(2);
});

test("a session ends over a reload, and the same event again changes nothing", async () => {
  const at = await world({ spec, extra: { issuer } });
  const past = Math.floor(Date.now() / 1000) - 5;
  const [ended, other] = [
    await at.idp.token({ iat: past, sid: "s1" }),
    await at.idp.token({ iat: past, sid: "s2" }),
  ];
  const claims = { sub: undefined, sid: "s1", jti: "once", iat: past };
  expect((await logOut(at, claims)).status).toBe(200);
  expect((await logOut(at, claims)).status).toBe(200);
  const file = join(at.dir, "gateway.yaml");
  await writeFile(file, `${await readFile(file, "utf8")}\n`);
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
  expect([await call(at, ended), await call(at, other)]).toEqual([401, 200]);
  const records = readRecords(await at.auditText());
  expect(records.filter((record) => record["event"] === "auth.logout")).toHaveLength(1);
});

test("what is no logout token is 400 without a word about it, and changes nothing", async () => {
  const at = await world({ spec, extra: { issuer } });
  const past = Math.floor(Date.now() / 1000) - 5;
  const token = await at.idp.token({ iat: past });
  const refused = await logOut(at, { sub: "alice", aud: "other" });
  expect(refused).toMatchObject({
    status: 400,
    text: JSON.stringify({ error: "invalid_request", error_description: "wrong audience" }),
  });
  expect(refused.headers.get("cache-control")).toBe("no-store");
  expect((await send(at, `logout_token=${token}`)).status).toBe(400);
  expect((await send(at, "logout_token=x&logout_token=y")).status).toBe(400);
  expect((await send(at, `logout_token=${"x".repeat(20_000)}`)).status).toBe(413);
  expect((await send(at, "{}", "application/json")).status).toBe(415);
  expect((await fetch(`${new URL(at.url).origin}/backchannel-logout`)).status).toBe(404);
  expect(await call(at, token)).toBe(200);
  // A form is read nowhere else.
  const form = { "content-type": "application/x-www-form-urlencoded" };
  expect((await at.post("a=b", form)).status).toBe(415);
});

interface Tells {
  readonly backchannelLogout: (sub: string, sid: string) => Promise<void>;
}

test("a logout token of oidc-provider is believed as it comes", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const key = await createKey("op");
  const at = await world({
    spec,
    extra: { issuers: `{issuer: "${url}", backChannelLogout: {audience: tollgate}}` },
  });
  const provider = new Provider(url, {
    clients: [
      {
        client_id: "tollgate",
        client_secret: "secret",
        redirect_uris: ["https://a.test/callback"],
        id_token_signed_response_alg: "ES256",
        backchannel_logout_uri: `${new URL(at.url).origin}/backchannel-logout`,
        backchannel_logout_session_required: true,
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(key.privateKey)), kid: "op", alg: "ES256", use: "sig" }] },
    cookies: { keys: ["only for tests"] },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: false } },
    // Its own dispatcher connects to no loopback address.
    fetch: (to: string, init: object) => fetch(to, { ...init, dispatcher: undefined } as object),
  });
  const handle = provider.callback();
  server.on("request", (request, response) => void handle(request, response));
  const claims = { iss: url, aud: at.url, sub: "alice", client_id: "cursor", scope: "mcp:tools" };
  const iat = Math.floor(Date.now() / 1000) - 5;
  const token = await sign({ ...claims, sid: "s1", iat, exp: iat + 300 }, {}, key);
  expect(await call(at, token)).toBe(200);
  const client = (await provider.Client.find("tollgate")) as unknown as Tells;
  await client.backchannelLogout("alice", "s1");
  expect(await call(at, token)).toBe(401);
  const records = readRecords(await at.auditText());
  expect(records.filter((record) => record["event"] === "auth.logout")).toMatchObject([
    { logout: { issuer: url, sub: "alice", sid: "s1" } },
  ]);
});

test("without backChannelLogout there is no such path", async () => {
  const at = await world({ spec });
  expect((await logOut(at, { sub: "alice" })).status).toBe(404);
});
