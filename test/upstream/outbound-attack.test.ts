import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { describe, expect, onTestFinished, test } from "vitest";

import { startApi } from "../world/api.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

/**
 * The attacks on what goes out, each under its number. Whatever a test says, `world` also fails it
 * when any part of a caller's token got behind the gateway.
 */
const spec = {
  paths: {
    "/orders": {
      get: {
        operationId: "list_orders",
        parameters: [
          { name: "audience", in: "query", schema: { type: "string" } },
          { name: "resource", in: "query", schema: { type: "string" } },
          { name: "scope", in: "header", schema: { type: "string" } },
          { name: "connection", in: "cookie", schema: { type: "string" } },
        ],
      },
    },
  },
};

const message = (args: object = {}): object => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "list_orders", arguments: args },
});

const meta = "_meta";

interface Outcome {
  readonly status: number;
  readonly challenge: string | null;
  readonly text: string | undefined;
  readonly isError: boolean | undefined;
  readonly retryAfter: number | undefined;
}

/** One call with this token, over HTTP. */
async function callWith({ post }: World, token: string, args?: object): Promise<Outcome> {
  const response = await post(message(args), { authorization: `Bearer ${token}` });
  const body = (await response.json()) as {
    result?: { content: { text: string }[]; isError?: boolean; [meta]?: { retryAfter?: number } };
  };
  return {
    status: response.status,
    challenge: response.headers.get("www-authenticate"),
    text: body.result?.content[0]?.text,
    isError: body.result?.isError,
    retryAfter: body.result?.[meta]?.retryAfter,
  };
}

const start = (over: Partial<WorldOptions> = {}): Promise<World> => world({ spec, ...over });

const issued = "urn:ietf:params:oauth:token-type:access_token";
const good = { access_token: "inner", issued_token_type: issued, token_type: "Bearer" };
const jwt = (claims: object): string =>
  ["{}", JSON.stringify(claims), "sig"]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".");

/** Codes of the failed token requests, as the log has them. */
const failures = ({ logs }: World): readonly unknown[] =>
  logs
    .map((line) => JSON.parse(line) as { msg: string; code?: string })
    .flatMap(({ msg, code }) => (msg === "token_request_failed" ? [code] : []));

describe("O01: the caller's token is never passed on", () => {
  test.each([
    "exchange: {client: gateway, audience: api}",
    "clientCredentials: {client: gateway}",
    "static: {header: X-Key, value: '${CLIENT_SECRET}'}",
    "none",
  ])("with the credential %s, whatever headers the caller sends", async (credential) => {
    const at = await start({ credential });
    const token = await at.idp.token();
    const sent = {
      cookie: `session=${token}`,
      "proxy-authorization": `Bearer ${token}`,
      "x-authorization": token,
      "x-gateway-user": "root",
      "x-forwarded-user": "root",
      "x-forwarded-authorization": token,
      dpop: token,
    };
    await at.post(message(), { ...sent, authorization: `Bearer ${token}` });
    const [request] = at.api.requests;
    const names = Object.keys(request?.headers ?? {});
    expect(names).toContain("user-agent");
    for (const name of Object.keys(sent)) expect(names).not.toContain(name);
    const hashes = (request?.rawHeaders ?? []).flatMap((text) =>
      text.split(" ").map((word) => createHash("sha256").update(word).digest("hex")),
    );
    expect(hashes).not.toContain(createHash("sha256").update(token).digest("hex"));
    expect(request?.headers.authorization ?? "").toMatch(/^(Bearer inner-1)?$/);
  });

  test.each([
    ["a word of its own", { credential: "passthrough" }],
    ["a switch", { credential: "exchange: {client: gateway, passthrough: true}" }],
    [
      "an argument",
      { tools: "- {match: {paths: ['/**']}, args: {scope: {from: principal.token}}}" },
    ],
    ["the client's header", { extra: { api: "forwardHeaders: [authorization]" } }],
  ])("and no configuration can say so: %s", async (_name, over) => {
    await expect(start(over)).rejects.toMatchObject({ name: "ConfigError" });
  });
});

test("O02: the subject token as the answer of the exchange is refused", async () => {
  const at = await start();
  at.idp.exchange = (form) => ({
    status: 200,
    body: { ...good, access_token: form.get("subject_token") },
  });
  expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200, isError: true });
  expect(failures(at)).toEqual(["exchange_echo"]);
  expect(at.api.requests).toEqual([]);
});

test.each([
  ["another aud", { access_token: jwt({ aud: "payroll" }) }, "wrong_audience"],
  ["other auds", { access_token: jwt({ aud: ["payroll", 7, "api2"] }) }, "wrong_audience"],
  ["a wider scope", { scope: "orders:read orders:write" }, "scope_widened"],
  [
    "another issued type",
    { issued_token_type: issued.replace("access", "id") },
    "wrong_issued_token_type",
  ],
  ["token_type mac", { token_type: "mac" }, "wrong_token_type"],
])("O03: %s in the answer is refused", async (_name, over, code) => {
  const credential = "exchange: {client: gateway, audience: api, scope: ['orders:read']}";
  const at = await start({ credential });
  at.idp.exchange = () => ({ status: 200, body: { ...good, ...over } });
  expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200, isError: true });
  expect(failures(at)).toEqual([code]);
  expect(at.api.requests).toEqual([]);
});

test.each([
  ["a single aud", "api"],
  ["one of several", ["payroll", "api"]],
  ["none", undefined],
])("O03: a token with %s that fits is accepted", async (_name, aud) => {
  const at = await start();
  at.idp.exchange = () => ({ status: 200, body: { ...good, access_token: jwt({ aud }) } });
  expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200 });
  expect(at.api.requests).toHaveLength(1);
});

test("O05: 50 concurrent calls are one exchange, and one that leaves takes nobody along", async () => {
  const at = await start();
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const answer = at.idp.exchange;
  at.idp.exchange = async (form) => {
    await gate;
    return answer(form);
  };
  const token = await at.idp.token();
  const leaving = new AbortController();
  const left = fetch(at.url, {
    method: "POST",
    signal: leaving.signal,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify(message()),
  });
  await expect.poll(() => at.idp.tokenRequests.length).toBe(1);
  const others = Array.from({ length: 49 }, () => callWith(at, token));
  leaving.abort();
  await expect(left).rejects.toMatchObject({ name: "AbortError" });
  release();
  const outcomes = await Promise.all(others);
  expect(outcomes.filter(({ status, isError }) => status !== 200 || isError)).toEqual([]);
  expect(at.idp.tokenRequests).toHaveLength(1);
  expect(new Set(at.api.requests.map(({ headers }) => headers.authorization))).toEqual(
    new Set(["Bearer inner-1"]),
  );
});

test("O06: a storm of calls for a target that is unknown asks once per 5 s", async () => {
  const at = await start();
  at.idp.exchange = () => ({ status: 400, body: { error: "invalid_target" } });
  const token = await at.idp.token();
  for (let round = 0; round < 3; round++) {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => callWith(at, token)));
    expect(outcomes.every(({ status, isError }) => status === 200 && isError)).toBe(true);
  }
  expect(at.idp.tokenRequests).toHaveLength(1);
  expect(at.api.requests).toEqual([]);
});

describe("O07: what the login service answers decides who hears of it", () => {
  test("invalid_grant is HTTP 401 with a challenge, and the audit says so", async () => {
    const at = await start();
    at.idp.exchange = () => ({ status: 400, body: { error: "invalid_grant" } });
    const outcome = await callWith(at, await at.idp.token());
    expect(outcome).toMatchObject({ status: 401 });
    expect(outcome.challenge).toMatch(/^Bearer .*error="invalid_token".*resource_metadata="/);
    expect(await at.audit()).toMatchObject([{ event: "auth.deny", reason: "exchange_refused" }]);
    expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200, isError: true });
  });

  test.each([
    { name: "429 with Retry-After", status: 429, headers: { "retry-after": "7" }, retryAfter: 7 },
    { name: "503 with Retry-After", status: 503, headers: { "retry-after": "3" }, retryAfter: 3 },
    { name: "429", status: 429, headers: {}, retryAfter: undefined },
    { name: "500", status: 500, headers: {}, retryAfter: undefined },
  ])("$name is a tool error that tells the wait", async ({ status, headers, retryAfter }) => {
    const at = await start();
    const answer = at.idp.exchange;
    at.idp.exchange = () => ({ status, headers, body: {} });
    const token = await at.idp.token();
    expect(await callWith(at, token)).toMatchObject({ status: 200, isError: true, retryAfter });
    at.idp.exchange = answer;
    // Nothing is kept about this token: only the pause that was asked for counts.
    const second = await callWith(at, token);
    expect(second.isError).toBe(retryAfter === undefined ? undefined : true);
    expect(at.idp.tokenRequests).toHaveLength(retryAfter === undefined ? 2 : 1);
  });

  test("invalid_scope is HTTP 403 when a step-up can bring the scope, and never twice", async () => {
    const at = await start({
      credential: "exchange: {client: gateway, audience: api, scope: ['orders:read']}",
      tools:
        "- {operation: list_orders, scopes: ['shop']}\n- {match: {paths: ['/**']}, scopes: ['orders:read']}",
    });
    at.idp.exchange = () => ({ status: 400, body: { error: "invalid_scope" } });
    const outcome = await callWith(at, await at.idp.token({ scope: "mcp:tools shop" }));
    expect(outcome.status).toBe(403);
    expect(outcome.challenge).toContain('error="insufficient_scope"');
    expect(outcome.challenge).toContain('scope="mcp:tools shop orders:read"');
    const stepped = await at.idp.token({ scope: "mcp:tools shop orders:read" });
    expect(await callWith(at, stepped)).toMatchObject({ status: 200, isError: true });
    expect(await at.audit()).toMatchObject([
      { event: "policy.deny", reason: "insufficient_scope" },
      { event: "tool.call", reason: "gateway_misconfigured" },
    ]);
    expect(at.api.requests).toEqual([]);
  });
});

test("O09: a token of the caller that has ended keeps no other alive", async () => {
  const at = await start();
  const now = Math.floor(Date.now() / 1000);
  // Within the tolerance for clocks, for about two seconds more.
  const token = await at.idp.token({ iat: now - 300, exp: now - 28 });
  expect(await callWith(at, token)).toMatchObject({ status: 200 });
  expect(await callWith(at, token)).toMatchObject({ status: 200 });
  expect(at.idp.tokenRequests).toHaveLength(2);
  await expect.poll(async () => (await callWith(at, token)).status, { timeout: 5_000 }).toBe(401);
});

describe("O11: the way to the token endpoint", () => {
  test.each([301, 302, 307, 308])("a redirect (%d) is not followed", async (status) => {
    const at = await start();
    const thief = await startApi();
    onTestFinished(() => thief.close());
    at.idp.exchange = () => ({ status, body: {}, headers: { location: `${thief.url}/token` } });
    expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200, isError: true });
    expect(thief.requests).toEqual([]);
    expect(failures(at)).toEqual(["redirected"]);
  });

  test("a token endpoint on another host is not used unless gateway.yaml names it", async () => {
    const thief = await startApi();
    const issuer = createServer((request, response) => {
      const origin = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
      const body = { issuer: origin, token_endpoint: `${thief.url}/token` };
      response.end(request.url?.startsWith("/.well-known/") ? JSON.stringify(body) : "");
    });
    await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      thief.close();
      issuer.close();
    });
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    const clients = `other: {issuer: "${url}", id: gw, secret: "\${CLIENT_SECRET}"}`;
    const at = await start({ clients, credential: "exchange: {client: other, audience: api}" });
    expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200, isError: true });
    expect(thief.requests).toEqual([]);
    expect(failures(at)).toEqual(["foreign_token_endpoint"]);
  });
});

describe("O17: a chain of actors in the caller's token", () => {
  const chain = (depth: number): object | undefined =>
    depth === 0 ? undefined : { sub: `service-${depth}`, act: chain(depth - 1) };

  test("of five goes to the exchange as it is", async () => {
    const at = await start();
    const token = await at.idp.token({ act: chain(5) });
    expect(await callWith(at, token)).toMatchObject({ status: 200 });
    expect(at.idp.tokenRequests.map((form) => form.get("subject_token"))).toEqual([token]);
  });

  test("of six is refused, and nobody is asked", async () => {
    const at = await start();
    const token = await at.idp.token({ act: chain(6) });
    expect(await callWith(at, token)).toMatchObject({ status: 200, isError: true });
    expect([...at.idp.tokenRequests, ...at.api.requests]).toEqual([]);
    expect(await at.audit()).toMatchObject([{ event: "policy.deny", reason: "not_permitted" }]);
  });
});

test("O18: arguments called audience, resource, scope or connection are the API's and no one else's", async () => {
  const at = await start();
  const args = {
    audience: "payroll",
    resource: "https://payroll.test",
    scope: "admin",
    connection: "github",
  };
  expect(await callWith(at, await at.idp.token(), args)).toMatchObject({ status: 200 });
  const [form] = at.idp.tokenRequests;
  expect(form?.getAll("audience")).toEqual(["api"]);
  expect([form?.has("resource"), form?.has("scope"), form?.has("connection")]).toEqual([
    false,
    false,
    false,
  ]);
  expect(at.api.requests).toMatchObject([
    {
      path: "/orders?audience=payroll&resource=https%3A%2F%2Fpayroll.test",
      headers: { scope: "admin", cookie: "connection=github", authorization: "Bearer inner-1" },
    },
  ]);
});

describe("the API refuses the credential", () => {
  test("one fresh token and one more try; after the second 401 a tool error, and 30 s of none", async () => {
    const at = await start();
    at.api.answer = (_, response) => void response.writeHead(401).end("LEAK");
    const token = await at.idp.token();
    const outcome = await callWith(at, token);
    expect(outcome).toMatchObject({ status: 200, isError: true });
    expect(outcome.text).not.toContain("LEAK");
    expect(at.api.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer inner-1",
      "Bearer inner-2",
    ]);
    expect(await callWith(at, token)).toMatchObject({ isError: true });
    expect([at.api.requests.length, at.idp.tokenRequests.length]).toEqual([2, 2]);
    expect(await at.audit()).toMatchObject([
      { reason: "upstream_unauthorized", upstream: { status: 401 } },
      { reason: "upstream_unauthorized" },
    ]);
  });

  test("a 401 that a fresh token heals is not seen by anybody", async () => {
    const at = await start();
    at.api.answer = ({ headers }, response) =>
      void response.writeHead(headers.authorization === "Bearer inner-1" ? 401 : 204).end();
    expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200 });
    expect(at.api.requests).toHaveLength(2);
    expect(await at.audit()).toMatchObject([{ outcome: "success" }]);
  });

  test("a 403 is a tool error at once: another token would not help", async () => {
    const at = await start();
    at.api.answer = (_, response) => void response.writeHead(403).end();
    expect(await callWith(at, await at.idp.token())).toMatchObject({ status: 200, isError: true });
    expect([at.api.requests.length, at.idp.tokenRequests.length]).toEqual([1, 1]);
  });
});
