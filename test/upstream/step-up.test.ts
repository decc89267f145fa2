import { describe, expect, test } from "vitest";

import { world, type World } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

async function call(at: World, token: string) {
  const params = { name: "list_orders", arguments: {} };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const response = await at.post(body, { authorization: `Bearer ${token}` });
  const text = await response.text();
  return {
    status: response.status,
    challenge: response.headers.get("www-authenticate"),
    text,
    body: JSON.parse(text) as { readonly result?: { readonly isError?: boolean } },
  };
}

const says =
  (error: string, more: object = {}) =>
  () => ({
    status: 400,
    body: { error, claims: '{"access_token":{"acrs":{"value":"c1"}}}', ...more },
  });

describe("a login service that wants more of the person (RFC 9470)", () => {
  test.each([
    "interaction_required",
    "login_required",
    "consent_required",
    "insufficient_user_authentication",
  ])("%s with acr_values and max_age is one HTTP 401 that names them", async (error) => {
    const at = await world({ spec });
    at.idp.exchange = says(error, { acr_values: "mfa phr", max_age: 300 });
    const first = await call(at, await at.idp.token());
    expect(first.status).toBe(401);
    expect(first.challenge).toMatch(
      /^Bearer error="insufficient_user_authentication", acr_values="mfa phr", max_age="300", resource_metadata="/,
    );
    expect(first.text + first.challenge).not.toContain("acrs");
    // Whoever has been told and comes back without it is not sent round in a circle.
    const second = await call(at, await at.idp.token());
    expect(second).toMatchObject({ status: 200, body: { result: { isError: true } } });
    expect(await at.audit()).toMatchObject([
      { event: "auth.deny", reason: "step_up_required" },
      { event: "tool.call", reason: "credential_unavailable" },
    ]);
    expect(at.api.requests).toEqual([]);
  });

  test("a login that was stepped up works, and the next one may be asked again", async () => {
    const at = await world({ spec });
    const answer = at.idp.exchange;
    at.idp.exchange = says("interaction_required", { acr_values: "mfa" });
    expect((await call(at, await at.idp.token())).status).toBe(401);
    at.idp.exchange = answer;
    expect((await call(at, await at.idp.token({ acr: "mfa" }))).status).toBe(200);
    at.idp.exchange = says("interaction_required", { acr_values: "mfa" });
    expect((await call(at, await at.idp.token())).status).toBe(401);
  });

  test("what the server does not say, gateway.yaml can", async () => {
    const stepUp = "stepUp: {acrValues: [mfa], maxAge: 5m}";
    const at = await world({ spec, credential: `exchange: {client: gateway, ${stepUp}}` });
    at.idp.exchange = says("interaction_required");
    const { challenge } = await call(at, await at.idp.token());
    expect(challenge).toContain('acr_values="mfa", max_age="300"');
  });

  test.each([
    ["nothing", {}],
    ["what could break out of a header", { acr_values: 'mfa", error="x' }],
    ["lines", { acr_values: "mfa\r\nset-cookie: x=y" }],
    ["a negative age", { max_age: -1 }],
    ["a list", { acr_values: ["mfa"] }],
  ])("a server that says %s leaves a tool error without its words", async (_what, more) => {
    const at = await world({ spec });
    at.idp.exchange = says("interaction_required", more);
    const { status, text, body } = await call(at, await at.idp.token());
    expect([status, body.result?.isError]).toEqual([200, true]);
    expect(text).not.toMatch(/acrs|mfa/);
  });
});

describe("settings of an exchange", () => {
  test("retry: false: an API's 401 is final, and no second token is asked for", async () => {
    const at = await world({ spec, credential: "exchange: {client: gateway, retry: false}" });
    at.api.answer = (_, response) => void response.writeHead(401).end();
    await call(at, await at.idp.token());
    expect([at.api.requests.length, at.idp.tokenRequests.length]).toEqual([1, 1]);
  });

  test("cache.maxTtl bounds how long a token serves", async () => {
    const cache = "cache: {maxTtl: 1s}";
    const at = await world({ spec, credential: `exchange: {client: gateway, ${cache}}` });
    const token = await at.idp.token();
    await call(at, token);
    await call(at, token);
    expect(at.idp.tokenRequests).toHaveLength(1);
    await expect
      .poll(async () => (await call(at, token), at.idp.tokenRequests.length), { timeout: 5_000 })
      .toBe(2);
  });

  test("cache.negative: 0s asks each time, which a refusal otherwise spares", async () => {
    for (const [cache, asks] of [
      ["{negative: 0s}", 3],
      ["{}", 1],
    ] as const) {
      const at = await world({ spec, credential: `exchange: {client: gateway, cache: ${cache}}` });
      at.idp.exchange = says("invalid_target");
      const token = await at.idp.token();
      for (let i = 0; i < 3; i++) await call(at, token);
      expect(at.idp.tokenRequests).toHaveLength(asks);
    }
  });
});
