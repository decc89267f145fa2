import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { expect, test } from "vitest";
import { createBroker } from "../../src/broker/broker.ts";
import { createBrowser, logIn } from "../../examples/demo/browser.ts";
import { brokerConfig, callback, courses, mcp, surroundings, verifier, world } from "./world.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const insecure = { [oauth.allowInsecureRequests]: true };

test("an independent OAuth client gets a token that verifies by the published keys", async () => {
  const { issuer } = await world();
  const found = await oauth.discoveryRequest(new URL(issuer), { ...insecure, algorithm: "oauth2" });
  const as = await oauth.processDiscoveryResponse(new URL(issuer), found);
  const registration = await oauth.dynamicClientRegistrationRequest(
    as,
    {
      redirect_uris: [callback],
      client_name: "oauth4webapi",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
    },
    insecure,
  );
  const client = await oauth.processDynamicClientRegistrationResponse(registration);

  const codeVerifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint ?? "");
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: callback,
    response_type: "code",
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: "S256",
    scope: "mcp:tools courses:read",
    resource: mcp,
    state,
  }).toString();
  const back = await logIn(url, "alice");
  expect(back.searchParams.getAll("iss")).toEqual([issuer]);
  const params = oauth.validateAuthResponse(as, client, back, state);
  const answer = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    oauth.None(),
    params,
    callback,
    codeVerifier,
    { ...insecure, additionalParameters: { resource: mcp } },
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer);
  expect(tokens).toMatchObject({
    token_type: "bearer",
    expires_in: 300,
    scope: "mcp:tools courses:read",
    refresh_token: expect.any(String),
  });

  const keys = createRemoteJWKSet(new URL(as.jwks_uri ?? ""));
  const { payload, protectedHeader } = await jwtVerify(tokens.access_token, keys, {
    issuer,
    audience: mcp,
    typ: "at+jwt",
    algorithms: ["ES256"],
  });
  expect(protectedHeader).toMatchObject({ alg: "ES256", typ: "at+jwt" });
  expect(payload).toMatchObject({
    sub: "alice",
    aud: mcp,
    client_id: client.client_id,
    scope: "mcp:tools courses:read",
    name: "Alice Example",
    email: "alice@example.com",
    department: "engineering",
  });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);

  const renewal = await oauth.refreshTokenGrantRequest(
    as,
    client,
    oauth.None(),
    tokens.refresh_token ?? "",
    insecure,
  );
  const renewed = await oauth.processRefreshTokenResponse(as, client, renewal);
  expect(decodeJwt(renewed.access_token)).toMatchObject({ sub: "alice", aud: mcp });
  expect(renewed.refresh_token).not.toBe(tokens.refresh_token);
});

test("bob is a contractor", async () => {
  const { tokens } = await world();
  const { access_token } = await tokens({ user: "bob" });
  expect(decodeJwt(access_token)).toMatchObject({ sub: "bob", department: "contractors" });
});

test.each([
  ["trailing slash", `${mcp}/`],
  ["upper-case host", "http://LOCALHOST:3000/mcp"],
  ["upper-case scheme", "HTTP://localhost:3000/mcp"],
  ["nothing, because there is only one", undefined],
])("a resource given with %s means the canonical one", async (_case, resource) => {
  const { tokens } = await world();
  const { access_token } = await tokens({ authorize: { resource } });
  expect(decodeJwt(access_token).aud).toBe(mcp);
});

test("at the token endpoint the resource may be written differently, but not be another", async () => {
  const { resources, client, authorizeUrl, token } = await world();
  resources.push({ resource: `${mcp}2`, scopes: [] });
  for (const [resource, expected] of [
    [`${mcp}/`, { status: 200 }],
    [`${mcp}2`, { status: 400, body: { error: "invalid_target" } }],
  ] as const) {
    const clientId = await client();
    const back = await logIn(authorizeUrl({ client_id: clientId }), "alice");
    const answer = await token({
      grant_type: "authorization_code",
      client_id: clientId,
      code: back.searchParams.get("code") ?? "",
      redirect_uri: callback,
      code_verifier: verifier,
      resource,
    });
    expect(answer).toMatchObject(expected);
  }
});

test("a client that names no scope is asked for every scope of the resource", async () => {
  const { tokens } = await world();
  const { scope } = await tokens({ authorize: { scope: undefined } });
  expect(scope).toBe("mcp:tools courses:read courses:write");
});

test("a resource without scopes can still be authorized", async () => {
  const { resources, tokens } = await world();
  resources[0] = { resource: mcp, scopes: [] };
  const { access_token } = await tokens({ authorize: { scope: undefined } });
  expect(decodeJwt(access_token)).toMatchObject({ aud: mcp, sub: "alice" });
});

test("a scope that a reload added can be asked for by an old client", async () => {
  const { resources, tokens, client } = await world();
  const clientId = await client({ scope: "mcp:tools" });
  await tokens({ clientId });
  resources[0] = { ...courses, scopes: [...courses.scopes, "goals:write"] };
  const { scope } = await tokens({ clientId, authorize: { scope: "mcp:tools goals:write" } });
  expect(scope).toBe("mcp:tools goals:write");
});

test("the metadata says what the broker does, with URLs of the issuer whatever the Host", async () => {
  const { issuer } = await world();
  const { port } = new URL(issuer);
  for (const name of ["oauth-authorization-server", "openid-configuration"]) {
    const response = await fetch(`http://127.0.0.1:${port}/.well-known/${name}`);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(await response.json()).toMatchObject({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      revocation_endpoint: `${issuer}/revoke`,
      jwks_uri: `${issuer}/jwks.json`,
      code_challenge_methods_supported: ["S256"],
      response_types_supported: ["code"],
      response_modes_supported: ["query", "form_post"],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      scopes_supported: ["openid", "offline_access", ...courses.scopes],
      grant_types_supported: expect.arrayContaining([
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
      ]),
    });
  }
});

test("the published keys have no private part", async () => {
  const { issuer, tokens } = await world();
  const { keys } = (await (await fetch(`${issuer}/jwks.json`)).json()) as { keys: object[] };
  // The one that signs, and the one that will.
  expect(keys).toHaveLength(2);
  for (const key of keys) {
    expect(key).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256" });
    expect(key).not.toHaveProperty("d");
  }
  const { access_token } = await tokens();
  const { kid } = decodeProtectedHeader(access_token);
  expect(keys[0]).toMatchObject({ kid });
});

test("the broker listens on its own and stops", async () => {
  const broker = await createBroker(
    brokerConfig({ issuer: "http://localhost:4000", listen: { host: "127.0.0.1", port: 0 } }),
    { ...surroundings, resources: () => [courses], clients: [] },
    { now: () => Date.now(), log: silent },
  );
  const { port } = (await broker.listen()) ?? { port: 0 };
  const url = `http://127.0.0.1:${port}/jwks.json`;
  expect((await fetch(url)).status).toBe(200);
  await broker.close();
  await expect(fetch(url)).rejects.toThrow("fetch failed");
});

test.each([
  ["http://localhost:4000", "0.0.0.0"],
  ["http://localhost:4000", "192.168.1.4"],
  ["https://mcp.example.com", "127.0.0.1"],
  ["http://localhost.example.com", "127.0.0.1"],
  ["http://localhost:4000/", "127.0.0.1"],
  ["http://localhost:4000/as", "127.0.0.1"],
  ["nonsense", "127.0.0.1"],
])("issuer %s with listener %s does not start", async (issuer, host) => {
  const starting = createBroker(
    brokerConfig({ issuer, listen: { host, port: 0 } }),
    { ...surroundings, resources: () => [courses], clients: [] },
    { now: () => Date.now(), log: silent },
  );
  await expect(starting).rejects.toThrow(
    expect.objectContaining({ name: "ConfigError", message: expect.stringContaining("loopback") }),
  );
});

test("another account can be used from the consent page", async () => {
  const { authorizeUrl, client, tokens } = await world();
  const browser = createBrowser();
  const clientId = await client();
  await tokens({ clientId, browser, user: "alice" });
  const consent = await browser.open(authorizeUrl({ client_id: clientId }));
  expect(consent).toMatchObject({ html: expect.stringContaining("Signed in as Alice Example") });
  const login = await browser.click(consent, "switch", "1");
  const again = await browser.click(login, "user", "bob");
  expect(again).toMatchObject({ html: expect.stringContaining("Signed in as Bob Example") });
  const back = await browser.click(again, "decision", "allow");
  expect(back).toMatchObject({ kind: "left" });
  const { access_token } = await tokens({ clientId, browser });
  expect(decodeJwt(access_token).sub).toBe("bob");
});

test("prompt=login lets another person in", async () => {
  const { tokens, client } = await world();
  const browser = createBrowser();
  const clientId = await client();
  await tokens({ clientId, browser, user: "alice" });
  const { access_token } = await tokens({
    clientId,
    browser,
    user: "bob",
    authorize: { prompt: "login" },
  });
  expect(decodeJwt(access_token).sub).toBe("bob");
});
