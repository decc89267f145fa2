import { describe, expect, test } from "vitest";

import { answerJson } from "../world/api.ts";
import { world } from "../world/world.ts";
import { exchange, obtain, person, credentialWorld } from "./credential-world.ts";

test("S74: 50 callers of each of 8 keys at the same time: one request per key, no token for two", async () => {
  let count = 0;
  const { server, room } = await credentialWorld(async ({ form }) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    count += 1;
    const token = `${form.get("subject_token")}.for.${count}`;
    return { body: { access_token: token, token_type: "Bearer", expires_in: 300 } };
  });
  // Two scopes of one person, one subject at two issuers, each at two APIs with one audience.
  const people = [
    person("alice-reads", { scopes: new Set(["mcp:tools"]) }),
    person("alice-writes", { scopes: new Set(["mcp:tools", "orders:write"]) }),
    person("alice-elsewhere", { iss: "https://other.test" }),
    person("bob", { sub: "bob" }),
  ];
  const keys = ["courses", "billing"].flatMap((api) =>
    people.map((who) => ({ credential: room(exchange, api), who })),
  );
  const calls = Array.from({ length: 50 }, () => keys).flat();
  const got = await Promise.all(
    calls.map(async ({ credential, who }) => (await obtain(credential, who)).headers[1] ?? ""),
  );
  const byKey = keys.map((_, key) => new Set(got.filter((_text, i) => i % keys.length === key)));
  expect(byKey.map(({ size }) => size)).toEqual(keys.map(() => 1));
  expect(new Set(got).size).toBe(keys.length);
  for (const [i, { who }] of calls.entries())
    expect(got[i]).toMatch(new RegExp(`^Bearer ${who.token?.reveal()}\\.for\\.\\d$`));
  expect(server.asked).toHaveLength(keys.length);
});

const operation = (operationId: string, ...scopes: string[]) => ({
  operationId,
  security: [{ login: scopes }],
});

test("through the gateway each operation asks for its own scopes, and each person gets their own", async () => {
  const at = await world({
    spec: {
      paths: {
        "/orders": {
          get: operation("list_orders", "orders:read"),
          post: operation("add_order", "orders:write", "admin"),
        },
        "/status": { get: operation("get_status") },
      },
      components: { securitySchemes: { login: { type: "oauth2", flows: {} } } },
    },
    credential:
      "exchange: {client: gateway, audience: api, scope: ['orders:read', 'orders:write']}",
  });
  const whoOf = (form: URLSearchParams): string => {
    const [, claims = ""] = (form.get("subject_token") ?? "").split(".");
    const { sub } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { sub: string };
    return sub;
  };
  at.idp.exchange = (form) => ({
    status: 200,
    body: {
      access_token: `${whoOf(form)}:${form.get("scope")?.replaceAll(" ", "+")}`,
      token_type: "Bearer",
      expires_in: 300,
    },
  });
  const tools = ["list_orders", "add_order", "get_status"];
  for (const sub of ["alice", "bob"]) for (const tool of tools) await at.call(tool, {}, { sub });
  expect(at.api.requests.map(({ headers }) => headers.authorization)).toEqual([
    "Bearer alice:orders:read",
    "Bearer alice:orders:write",
    "Bearer alice:orders:read+orders:write",
    "Bearer bob:orders:read",
    "Bearer bob:orders:write",
    "Bearer bob:orders:read+orders:write",
  ]);
});

describe("F37: a login service that misbehaves", () => {
  const good = { access_token: "inner", token_type: "Bearer" };
  const later = <T>(value: T): Promise<T> =>
    new Promise((resolve) => setTimeout(resolve, 1_000, value));

  test.each([
    { name: "slow, within 5 s", answer: () => later(good), asks: 1 },
    { name: "without expires_in", answer: () => good, asks: 1 },
    { name: "with 1 s of life", answer: () => ({ ...good, expires_in: 1 }), asks: 2 },
    { name: "with none", answer: () => ({ ...good, expires_in: 0 }), asks: 2 },
    { name: "with a life in the past", answer: () => ({ ...good, expires_in: -60 }), asks: 2 },
    { name: "with text for a life", answer: () => ({ ...good, expires_in: "long" }), asks: 1 },
  ])("$name: the call succeeds; two calls ask $asks times", async ({ answer, asks }) => {
    const at = await start();
    at.idp.exchange = async () => ({ status: 200, body: await answer() });
    const token = await at.idp.token();
    const params = { name: "list_orders", arguments: {} };
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
    for (let i = 0; i < 2; i++) {
      const response = await at.post(body, { authorization: `Bearer ${token}` });
      expect(await response.json()).toMatchObject({ result: { structuredContent: { ok: true } } });
    }
    expect(at.idp.tokenRequests).toHaveLength(asks);
    expect(new Set(at.api.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set(["Bearer inner"]),
    );
  });

  test.each([
    { name: "garbage", body: "<html>", reason: "temporarily_unavailable" },
    { name: "half of an answer", body: '{"access_token":"in', reason: "temporarily_unavailable" },
    { name: "a list", body: "[]", reason: "temporarily_unavailable" },
    { name: "no token", body: { token_type: "Bearer" }, reason: "temporarily_unavailable" },
    { name: "a number", body: { ...good, access_token: 7 }, reason: "temporarily_unavailable" },
    { name: "a MAC token", body: { ...good, token_type: "mac" }, reason: "gateway_misconfigured" },
    {
      name: "an ID token",
      body: { ...good, issued_token_type: "urn:ietf:params:oauth:token-type:id_token" },
      reason: "gateway_misconfigured",
    },
  ])("$name: the tool fails as $reason and the API hears nothing", async ({ body, reason }) => {
    const at = await start();
    at.idp.exchange = () => ({ status: 200, body });
    expect(await at.call("list_orders")).toMatchObject({ isError: true });
    expect(at.api.requests).toEqual([]);
    expect((await at.audit()).at(-1)).toMatchObject({ event: "tool.call", reason });
  });

  async function start() {
    const at = await world({ spec: { paths: { "/orders": { get: operation("list_orders") } } } });
    at.api.answer = (_, response) => answerJson(response, { ok: true });
    return at;
  }
});
