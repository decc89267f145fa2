import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { randomUUID } from "node:crypto";
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { createBrowser } from "../../examples/demo/browser.ts";
import { Secret } from "../../src/base/secret.ts";
import type { JsonObject } from "../../src/base/json.ts";
import type { BrokerConfig } from "../../src/config/types/broker.ts";
import type { ClientConfig } from "../../src/config/types/clients.ts";
import { idpOf, personPaths } from "./company.ts";
import { html, left } from "./office.ts";
import { callback, mcp, verifier, world, type World } from "./world.ts";

const secret = "s3cret:with%odd&parts";
const gateway = `Basic ${Buffer.from(`tollgate:${encodeURIComponent(secret)}`).toString("base64")}`;

async function introspect(
  at: World,
  token: string,
  authorization = gateway,
): Promise<{ status: number; body: JsonObject }> {
  const answer = await fetch(`${at.issuer}/introspect`, {
    method: "POST",
    headers: { authorization },
    body: new URLSearchParams({ token }),
  });
  return { status: answer.status, body: (await answer.json()) as JsonObject };
}

function revoke(at: World, clientId: string, token: string): Promise<Response> {
  return fetch(`${at.issuer}/revoke`, {
    method: "POST",
    body: new URLSearchParams({ token, client_id: clientId }),
  });
}

describe("introspection", () => {
  test("says of an access token what is in it, and of a refresh token that it is good", async () => {
    const at = await world();
    const { access_token, refresh_token, clientId } = await at.tokens();
    const { status, body } = await introspect(at, access_token);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      active: true,
      iss: at.issuer,
      aud: mcp,
      sub: "alice",
      client_id: clientId,
      scope: "mcp:tools",
      token_type: "Bearer",
    });
    expect(body).not.toHaveProperty("sid");
    expect(await introspect(at, refresh_token)).toMatchObject({ body: { active: true } });
  });

  test("is for the gateway's clients alone", async () => {
    const at = await world();
    const { access_token } = await at.tokens();
    const wrong = `Basic ${Buffer.from("tollgate:wrong").toString("base64")}`;
    expect((await introspect(at, access_token, wrong)).status).toBe(401);
  });

  test.each([
    ["nonsense", () => "x.y.z"],
    ["an opaque token that nobody issued", () => "x".repeat(43)],
    [
      "a token whose signature was cut off",
      (token: string) => token.split(".").slice(0, 2).join(".").concat("."),
    ],
  ])("%s is not active", async (_case, change) => {
    const at = await world();
    const { access_token } = await at.tokens();
    expect(await introspect(at, change(access_token))).toEqual({
      status: 200,
      body: { active: false },
    });
  });
});

describe("revocation", () => {
  test("of an access token ends its grant", async () => {
    const at = await world();
    const { access_token, refresh_token, clientId } = await at.tokens();
    const [{ status }, other] = [await revoke(at, await at.client(), access_token), access_token];
    expect(status).toBe(200);
    // Somebody else's client cannot do that.
    expect(await introspect(at, other)).toMatchObject({ body: { active: true } });
    expect((await revoke(at, clientId, access_token)).status).toBe(200);
    expect(await introspect(at, access_token)).toMatchObject({ body: { active: false } });
    const form = { grant_type: "refresh_token", client_id: clientId, refresh_token };
    expect(await at.token(form)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  test("of nonsense says nothing", async () => {
    const at = await world();
    expect((await revoke(at, await at.client(), "x.y.z")).status).toBe(200);
  });
});

test("with DPoP a token is bound to the key of the client, and so is its refresh token", async () => {
  const at = await world({ deps: { dpop: true } });
  const metadata = await fetch(`${at.issuer}/.well-known/oauth-authorization-server`);
  expect(await metadata.json()).toMatchObject({
    dpop_signing_alg_values_supported: expect.arrayContaining(["ES256"]),
  });
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = await exportJWK(publicKey);
  const proof = async (key = privateKey): Promise<Record<string, string>> => ({
    dpop: await new SignJWT({ htm: "POST", htu: `${at.issuer}/token`, jti: randomUUID() })
      .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk })
      .setIssuedAt()
      .sign(key),
  });
  const clientId = await at.client();
  const browser = createBrowser();
  const login = await browser.open(at.authorizeUrl({ client_id: clientId }));
  const consent = await browser.click(login, "user", "alice");
  const back = left(await browser.click(consent, "decision", "allow"));
  const form = {
    grant_type: "authorization_code",
    client_id: clientId,
    code: back.searchParams.get("code") ?? "",
    redirect_uri: callback,
    code_verifier: verifier,
  };
  const { body } = await at.token(form, await proof());
  expect(body).toMatchObject({ token_type: "DPoP" });
  expect(decodeJwt(body.access_token)["cnf"]).toEqual({ jkt: await calculateJwkThumbprint(jwk) });
  const refresh = { grant_type: "refresh_token", client_id: clientId };
  const again = { ...refresh, refresh_token: body.refresh_token };
  expect(await at.token(again)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  const stranger = (await generateKeyPair("ES256")).privateKey;
  expect((await at.token(again, await proof(stranger))).status).toBe(400);
  expect(await at.token(again, await proof())).toMatchObject({
    status: 200,
    body: { token_type: "DPoP" },
  });
});

test("without DPoP at the gateway none is offered", async () => {
  const at = await world();
  const metadata = await fetch(`${at.issuer}/.well-known/oauth-authorization-server`);
  expect(await metadata.json()).not.toHaveProperty("dpop_signing_alg_values_supported");
});

describe("a client of the configuration", () => {
  const config = () => ({
    registration: {
      dynamic: "off" as const,
      documents: { hosts: [], privateHosts: [] },
      clients: new Map([
        ["claude", { id: "claude", secret: new Secret(secret), redirectUris: [callback] }],
        ["cli", { id: "cli", secret: undefined, redirectUris: [callback] }],
      ]),
    },
  });

  async function code(at: World, client_id: string): Promise<string> {
    const browser = createBrowser();
    const login = await browser.open(at.authorizeUrl({ client_id }));
    const consent = await browser.click(login, "user", "alice");
    expect(html(consent)).toContain("Whoever runs this server registered the application");
    return left(await browser.click(consent, "decision", "allow")).searchParams.get("code") ?? "";
  }

  test("sends its secret in either way", async () => {
    const at = await world({ config });
    const form = {
      grant_type: "authorization_code",
      redirect_uri: callback,
      code_verifier: verifier,
    };
    const basic = Buffer.from(`claude:${encodeURIComponent(secret)}`).toString("base64");
    const ways: [Record<string, string>, Record<string, string>][] = [
      [{}, { authorization: `Basic ${basic}` }],
      [{ client_id: "claude", client_secret: secret }, {}],
    ];
    for (const [fields, headers] of ways) {
      const answer = await at.token(
        { ...form, ...fields, code: await code(at, "claude") },
        headers,
      );
      expect(answer.status).toBe(200);
    }
    const wrong = { client_id: "claude", client_secret: "wrong" };
    expect(await at.token({ ...form, ...wrong, code: "x" })).toMatchObject({
      status: 401,
      body: { error: "invalid_client" },
    });
    const none = { client_id: "claude" };
    expect((await at.token({ ...form, ...none, code: "x" })).status).toBe(401);
  });

  test("may be public; and nobody else registers", async () => {
    const at = await world({ config });
    const form = {
      grant_type: "authorization_code",
      redirect_uri: callback,
      code_verifier: verifier,
    };
    const answer = await at.token({ ...form, client_id: "cli", code: await code(at, "cli") });
    expect(answer.status).toBe(200);
    const response = await fetch(`${at.issuer}/register`, { method: "POST", body: "{}" });
    expect(response.status).toBe(404);
    const metadata = await fetch(`${at.issuer}/.well-known/oauth-authorization-server`);
    expect(await metadata.json()).not.toHaveProperty("registration_endpoint");
  });
});

describe("an identity assertion (ID-JAG)", () => {
  async function company(upstream?: (issuer: string) => BrokerConfig["upstream"]) {
    const { privateKey, publicKey } = await generateKeyPair("ES256");
    const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
    const server = createServer((_req, res) => {
      res.writeHead(200, { "content-type": "application/json" });
      res.end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const at = await world({
      config: () => ({
        ...(upstream && { upstream: upstream(issuer) }),
        assertionIssuers: [{ issuer, jwksUrl: `${issuer}/jwks.json` }],
        registration: {
          dynamic: "open",
          documents: { hosts: "any", privateHosts: [] },
          clients: new Map([
            ["agent", { id: "agent", secret: new Secret(secret), redirectUris: [callback] }],
            ["other", { id: "other", secret: new Secret(secret), redirectUris: [callback] }],
          ]),
        },
      }),
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      aud: at.issuer,
      sub: "carol",
      client_id: "agent",
      resource: mcp,
      scope: "mcp:tools admin",
      jti: randomUUID(),
      iat: now,
      exp: now + 60,
    };
    const sign = (change: object = {}, typ = "oauth-id-jag+jwt", key = privateKey) =>
      new SignJWT({ ...claims, ...change })
        .setProtectedHeader({ alg: "ES256", typ, kid: "k1" })
        .sign(key);
    const exchange = (assertion: string, more: Record<string, string> = {}) =>
      at.token({
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion,
        client_id: "agent",
        client_secret: secret,
        ...more,
      });
    return { at, issuer, sign, exchange, now };
  }

  test("is exchanged for a token of that person, without a refresh token, once", async () => {
    const { at, issuer, sign, exchange } = await company();
    const assertion = await sign();
    const { status, body } = await exchange(assertion);
    expect(status).toBe(200);
    expect(body).not.toHaveProperty("refresh_token");
    expect(decodeJwt(body.access_token)).toMatchObject({
      iss: at.issuer,
      aud: mcp,
      sub: `${new URL(issuer).host}|carol`,
      client_id: "agent",
      scope: "mcp:tools",
    });
    expect(await exchange(assertion)).toMatchObject({
      status: 400,
      body: { error: "invalid_grant" },
    });
  });

  test.each<[string, (now: number) => object, string?]>([
    ["another audience", () => ({ aud: "https://elsewhere.example" })],
    ["another client", () => ({ client_id: "other" })],
    ["an issuer that nobody trusts", () => ({ iss: "https://evil.example" })],
    ["a resource of somebody else", () => ({ resource: "https://elsewhere.example/mcp" })],
    ["no subject", () => ({ sub: undefined })],
    ["no jti", () => ({ jti: undefined })],
    ["an end in the past", (now) => ({ exp: now - 120, iat: now - 180 })],
    ["a life of an hour", (now) => ({ exp: now + 3_600 })],
    ["a life that begins in an hour", (now) => ({ iat: now + 3_600, exp: now + 3_660 })],
    ["another type", () => ({}), "JWT"],
  ])("with %s is refused", async (_case, change, typ) => {
    const { sign, exchange, now } = await company();
    expect(await exchange(await sign(change(now), typ))).toMatchObject({
      status: 400,
      body: { error: "invalid_grant" },
    });
  });

  test("is narrowed by the request, and never widened or moved", async () => {
    const { sign, exchange } = await company();
    const scope = "mcp:tools courses:read";
    const narrowed = await exchange(await sign({ scope }), {
      scope: "courses:read",
      resource: mcp,
    });
    expect(decodeJwt(narrowed.body.access_token)["scope"]).toBe("courses:read");
    const wider = await exchange(await sign({ scope: "mcp:tools", jti: "2" }), {
      scope: "mcp:tools courses:write",
    });
    expect(decodeJwt(wider.body.access_token)["scope"]).toBe("mcp:tools");
    const moved = await exchange(await sign({ jti: "3" }), { resource: "https://elsewhere.test/" });
    expect(moved).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  });

  describe("of an issuer where people log in", () => {
    const clerk = {
      sub: "pairwise",
      oid: "1234",
      email: "carol@acme.example",
      email_verified: true,
      groups: ["mcp-users"],
      department: "sales",
    };
    const clientAt = (issuer: string): ClientConfig => ({
      name: "acme-client",
      issuer,
      tokenUrl: undefined,
      id: "broker",
      auth: { kind: "client_secret_basic", secret: new Secret(secret) },
      position: { file: "gateway.yaml", line: 1, column: 1 },
    });
    const ofStaff = (issuer: string): BrokerConfig["upstream"] => ({
      kind: "idps",
      idps: [
        idpOf(clientAt(issuer), {
          person: { ...personPaths, subject: "oid" },
          claims: new Map([["department", "department"]]),
          allow: {
            emailDomains: ["acme.example"],
            emailVerified: true,
            groups: ["mcp-users"],
            organizations: [],
          },
        }),
      ],
    });

    test("is about the same person as a login", async () => {
      const { at, sign, exchange } = await company(ofStaff);
      const { status, body } = await exchange(await sign(clerk));
      expect(status).toBe(200);
      expect(decodeJwt(body.access_token)).toMatchObject({
        sub: "acme|1234",
        department: "sales",
        client_id: "agent",
      });
      expect(at.events.at(-1)).toMatchObject({
        event: "broker.exchange",
        outcome: "success",
        sub: "acme|1234",
        clientId: "agent",
      });
    });

    test.each<[string, object, string]>([
      ["of another domain", { email: "eve@other.example" }, "has another domain"],
      ["whose address is not verified", { email_verified: false }, "is not verified"],
      ["in none of the groups", { groups: ["sales"] }, "in none of the groups"],
      ["of whom it says no groups", { groups: undefined }, "in none of the groups"],
      ["without a subject there", { oid: undefined }, "there is no oid"],
    ])("somebody %s is refused, as at a login", async (_case, change, why) => {
      const { at, sign, exchange } = await company(ofStaff);
      const { status, body } = await exchange(await sign({ ...clerk, ...change }));
      expect([status, body.error]).toEqual([400, "invalid_grant"]);
      expect(JSON.stringify(body)).not.toContain(why);
      const denied = at.events.filter(({ outcome }) => outcome === "denied");
      expect(denied).toEqual([
        expect.objectContaining({ event: "broker.refuse", detail: expect.stringContaining(why) }),
      ]);
      // The rules keep the person out, not the assertion: it was not used up.
      expect((await exchange(await sign(clerk))).status).toBe(200);
    });
  });

  test("signed with another key is refused, and a public client has no such grant", async () => {
    const { at, sign, exchange } = await company();
    const stranger = (await generateKeyPair("ES256")).privateKey;
    expect((await exchange(await sign({}, undefined, stranger))).body.error).toBe("invalid_grant");
    const answer = await at.token({
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: await sign(),
      client_id: await at.client(),
    });
    expect(answer.status).toBe(400);
    expect(answer.body).not.toHaveProperty("access_token");
  });
});
