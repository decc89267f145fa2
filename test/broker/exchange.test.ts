import { createRemoteJWKSet, decodeJwt, generateKeyPair, jwtVerify, SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import { afterEach, expect, test, vi } from "vitest";
import { mcp, world, type World } from "./world.ts";

const grant_type = "urn:ietf:params:oauth:grant-type:token-exchange";
const accessToken = "urn:ietf:params:oauth:token-type:access_token";
const basic = {
  authorization: `Basic ${btoa(`tollgate:${encodeURIComponent("s3cret:with%odd&parts")}`)}`,
};

afterEach(() => void vi.useRealTimers());

async function subject(at: World): Promise<string> {
  return (await at.tokens({ user: "bob" })).access_token;
}

function exchange(token: string, change: Record<string, string> = {}): Record<string, string> {
  return {
    grant_type,
    subject_token: token,
    subject_token_type: accessToken,
    audience: "courses-api",
    ...change,
  };
}

test("the gateway gets a token for the API that names the person and itself as actor", async () => {
  const at = await world();
  const token = await subject(at);
  const { status, body } = await at.token(exchange(token, { scope: "courses:read" }), basic);
  expect(status).toBe(200);
  expect(body).toEqual({
    access_token: expect.any(String),
    issued_token_type: accessToken,
    token_type: "Bearer",
    expires_in: 300,
    scope: "courses:read",
  });
  const keys = createRemoteJWKSet(new URL(`${at.issuer}/jwks.json`));
  const { payload } = await jwtVerify(body.access_token, keys, {
    issuer: at.issuer,
    audience: "courses-api",
    typ: "at+jwt",
  });
  expect(payload).toMatchObject({
    sub: "bob",
    aud: "courses-api",
    client_id: "tollgate",
    scope: "courses:read",
    department: "contractors",
    act: { sub: "tollgate" },
  });
  expect(payload.jti).not.toBe(decodeJwt(token).jti);
});

test("without a scope the token has none; resource may name the API as well", async () => {
  const at = await world();
  const form = exchange(await subject(at), { resource: "courses-api" });
  const { body } = await at.token(form, basic);
  expect(body).not.toHaveProperty("scope");
  expect(decodeJwt(body.access_token)).not.toHaveProperty("scope");
});

test("the secret may come in the body, and a key may stand in for it", async () => {
  const at = await world();
  const posted = exchange(await subject(at), {
    client_id: "poster",
    client_secret: "s3cret:with%odd&parts",
  });
  expect(await at.token(posted)).toMatchObject({ status: 200 });

  const as = { issuer: at.issuer, token_endpoint: `${at.issuer}/token` };
  const client = { client_id: "signer" };
  for (const [token, works] of [
    [await subject(at), true],
    ["e30.e30.e30", false],
  ] as const) {
    const answer = await oauth.genericTokenEndpointRequest(
      as,
      client,
      oauth.PrivateKeyJwt({ key: at.clientKey, kid: "one" }),
      grant_type,
      { subject_token: token, subject_token_type: accessToken, audience: "courses-api" },
      { [oauth.allowInsecureRequests]: true },
    );
    expect(answer.ok).toBe(works);
  }
});

test.each([
  ["no subject token", { subject_token: "" }, "invalid_request"],
  ["no subject token type", { subject_token_type: "" }, "invalid_request"],
  [
    "an ID token as subject",
    { subject_token_type: "urn:ietf:params:oauth:token-type:id_token" },
    "invalid_request",
  ],
  [
    "a refresh token in return",
    { requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" },
    "invalid_request",
  ],
  ["an actor token", { actor_token: "x", actor_token_type: accessToken }, "invalid_request"],
  ["no audience", { audience: "" }, "invalid_target"],
  ["an audience of nobody", { audience: "payroll-api" }, "invalid_target"],
  ["the gateway as audience", { audience: mcp }, "invalid_target"],
  ["a second audience", { resource: "http://localhost:3000/mcp" }, "invalid_target"],
  ["a scope beyond the client's", { scope: "courses:read admin" }, "invalid_scope"],
  ["a subject token of 9 KiB", { subject_token: "x".repeat(9000) }, "invalid_request"],
  ["something that is no token", { subject_token: "nonsense" }, "invalid_grant"],
])("an exchange with %s is refused", async (_case, change, error) => {
  const at = await world();
  const form = exchange(await subject(at), change);
  const { status, body } = await at.token(form, basic);
  expect({ status, error: body.error }).toEqual({ status: 400, error });
  expect(body).not.toHaveProperty("access_token");
});

test("a subject token is refused after five minutes", async () => {
  const at = await world();
  const token = await subject(at);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 301_000 });
  const { status, body } = await at.token(exchange(token), basic);
  expect({ status, error: body.error }).toEqual({ status: 400, error: "invalid_grant" });
});

test("an exchanged token, a machine's token and an ID token are no subject tokens", async () => {
  const at = await world();
  const first = await at.token(exchange(await subject(at)), basic);
  const machine = await at.token(
    { grant_type: "client_credentials", audience: "courses-api" },
    basic,
  );
  const person = await at.tokens({ authorize: { scope: "openid mcp:tools" } });
  const tokens = [first.body.access_token, machine.body.access_token, person.id_token];
  for (const token of tokens) {
    expect(token).toEqual(expect.any(String));
    const { status, body } = await at.token(exchange(token), basic);
    expect({ status, error: body.error }).toEqual({ status: 400, error: "invalid_grant" });
  }
});

test("a token with another key, issuer, type or algorithm is no subject token", async () => {
  const at = await world();
  const token = await subject(at);
  const { privateKey } = await generateKeyPair("ES256");
  const forged = await new SignJWT(decodeJwt(token))
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt" })
    .sign(privateKey);
  const [, payload = "", signature = ""] = token.split(".");
  const header = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const variants = [
    forged,
    `${header({ alg: "none", typ: "at+jwt" })}.${payload}.`,
    `${header({ alg: "ES256", typ: "JWT" })}.${payload}.${signature}`,
    token.slice(0, -8),
  ];
  for (const variant of variants) {
    const { status, body } = await at.token(exchange(variant), basic);
    expect({ status, error: body.error }).toEqual({ status: 400, error: "invalid_grant" });
  }
  const text = JSON.stringify(at.lines);
  for (const variant of variants) expect(text).not.toContain(variant.slice(-40));
});

test("a token for an endpoint that a reload took away is no subject token", async () => {
  const at = await world();
  const token = await subject(at);
  at.resources[0] = { resource: "http://localhost:3000/new", scopes: [] };
  expect(await at.token(exchange(token), basic)).toMatchObject({
    status: 400,
    body: { error: "invalid_grant" },
  });
});

test("only the gateway's clients may exchange, and only when they prove who they are", async () => {
  const at = await world();
  const token = await subject(at);
  const anybody = await at.client();
  expect(await at.token(exchange(token, { client_id: anybody }))).toMatchObject({
    status: 400,
    body: { error: "invalid_request" },
  });
  const wrong = { authorization: `Basic ${btoa("tollgate:wrong")}` };
  for (const headers of [wrong, {}]) {
    const answer = await at.token(exchange(token, { client_id: "tollgate" }), headers);
    expect(answer.body).not.toHaveProperty("access_token");
    expect(answer.status).toBeGreaterThanOrEqual(400);
  }
});

test("a gateway client has no login and no code", async () => {
  const at = await world();
  const answer = await fetch(at.authorizeUrl({ client_id: "tollgate" }), { redirect: "manual" });
  expect(answer.status).toBe(400);
});

test("client credentials give a token for one API that speaks for the client", async () => {
  const at = await world();
  const form = { grant_type: "client_credentials", audience: "courses-api", scope: "courses:read" };
  const { status, body } = await at.token(form, basic);
  expect(status).toBe(200);
  const payload = decodeJwt(body.access_token);
  expect(payload).toMatchObject({
    sub: "tollgate",
    client_id: "tollgate",
    aud: "courses-api",
    scope: "courses:read",
  });
  expect(payload).not.toHaveProperty("act");
  for (const [change, error] of [
    [{ audience: "payroll-api" }, "invalid_target"],
    [{ audience: "" }, "invalid_target"],
    [{ scope: "admin" }, "invalid_scope"],
  ] as const) {
    const refused = await at.token({ ...form, ...change }, basic);
    expect(refused).toMatchObject({ status: 400, body: { error } });
  }
});

test("a token whose grant has ended is exchanged no more", async () => {
  const at = await world();
  const { access_token: token, clientId } = await at.tokens();
  expect(await at.token(exchange(token), basic)).toMatchObject({ status: 200 });
  await fetch(`${at.issuer}/revoke`, {
    method: "POST",
    body: new URLSearchParams({ client_id: clientId, token }),
  });
  const { status, body } = await at.token(exchange(token), basic);
  expect([status, body.error]).toEqual([400, "invalid_grant"]);
});
