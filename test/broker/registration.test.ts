import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { createBrowser } from "../../examples/demo/browser.ts";
import { callback, mcp, world } from "./world.ts";

const mcpRemote = {
  redirect_uris: ["http://localhost:3334/oauth/callback"],
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  application_type: "native",
  client_name: "MCP CLI Proxy",
  client_uri: "https://github.com/modelcontextprotocol/mcp-cli",
  software_id: "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
  software_version: "0.15.1",
  scope: "mcp:tools offline_access",
};

test("mcp-remote registers, logs in with prompt=consent and refreshes", async () => {
  const { register, tokens, token } = await world();
  const { status, body } = await register(mcpRemote);
  expect(status).toBe(201);
  expect(body).toMatchObject({
    redirect_uris: mcpRemote.redirect_uris,
    application_type: "native",
    grant_types: mcpRemote.grant_types,
    token_endpoint_auth_method: "none",
  });
  expect(body).not.toHaveProperty("client_secret");
  const clientId = body["client_id"] ?? "";
  const { refresh_token } = await tokens({
    clientId,
    authorize: {
      redirect_uri: "http://localhost:3334/oauth/callback",
      scope: "mcp:tools offline_access",
      prompt: "consent",
      resource: `${mcp}/`,
    },
  });
  const refreshed = await token({
    grant_type: "refresh_token",
    client_id: clientId,
    refresh_token: refresh_token,
    resource: `${mcp}/`,
  });
  expect(refreshed.status).toBe(200);
  expect(decodeJwt(refreshed.body.access_token).aud).toBe(mcp);
});

test("Cursor registers its own scheme without saying that it is native", async () => {
  const { register, tokens } = await world();
  const redirect = "cursor://anysphere.cursor-mcp/oauth/callback";
  const { status, body } = await register({
    client_name: "Cursor",
    redirect_uris: [redirect, "https://www.cursor.com/agents/mcp/oauth/callback"],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  });
  expect(status).toBe(201);
  const clientId = body["client_id"] ?? "";
  const answer = await tokens({ clientId, authorize: { redirect_uri: redirect } });
  expect(answer).toMatchObject({ refresh_token: expect.any(String) });
});

test("Claude registers a web client with a secret and grants the broker does not know", async () => {
  const { register, authorizeUrl } = await world();
  const redirect = "https://claude.ai/api/mcp/auth_callback";
  const { status, body } = await register({
    client_name: "Claude",
    redirect_uris: [redirect],
    grant_types: [
      "authorization_code",
      "refresh_token",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ],
    response_types: ["code"],
    token_endpoint_auth_method: "client_secret_post",
    scope: "claudeai",
  });
  expect(status).toBe(201);
  expect(body).toMatchObject({
    application_type: "web",
    client_secret: expect.any(String),
    client_secret_expires_at: 0,
    grant_types: ["authorization_code", "refresh_token"],
  });
  const browser = createBrowser();
  const login = await browser.open(
    authorizeUrl({ client_id: body["client_id"] ?? "", redirect_uri: redirect }),
  );
  const consent = await browser.click(login, "user", "alice");
  const back = await browser.click(consent, "decision", "allow");
  expect(back).toMatchObject({ kind: "left", url: { host: "claude.ai" } });
});

test.each([
  "https://claude.com/api/mcp/auth_callback",
  "https://chatgpt.com/connector/oauth/abc-123",
  "https://chatgpt.com/connector_platform_oauth_redirect",
  "https://vscode.dev/redirect",
  "https://insiders.vscode.dev/redirect",
  "http://127.0.0.1:33418/",
  "http://127.0.0.1/",
  "http://localhost",
  "http://[::1]:1234/cb",
])("%s may register", async (redirect) => {
  const { register } = await world();
  expect(await register({ redirect_uris: [redirect] })).toMatchObject({ status: 201 });
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "file:///etc/passwd",
  "http://evil.example/cb",
  "https://evil.example/cb",
  "https://localhost@evil.example/cb",
  "http://localhost@evil.example/cb",
  "http://localhost:80@evil.example/cb",
  "http://localhost.evil.example/cb",
  "http://127.0.0.1.evil.example/cb",
  "http:\\\\localhost/cb",
  "http://localhost/a/../b",
  "http://localhost/cb#x",
  "http://localhost/cb#",
  "http://*/cb",
  "http://localhost/*",
  "http://user:word@localhost/cb",
  "http://2130706433/cb",
  "https://claude.ai.evil.example/api/mcp/auth_callback",
  "https://claude.ai/api/mcp/auth_callback/../../x",
  "https://claude.ai/api/mcp/auth_callback?next=//evil.example",
  "https://chatgpt.com/connector/oauth/../x",
  "myapp://callback",
  "not a uri",
  `http://localhost/${"a".repeat(2100)}`,
])("%s may not register", async (redirect) => {
  const { register } = await world();
  const { status, body } = await register({ redirect_uris: [callback, redirect] });
  expect(status).toBe(400);
  expect(body).toMatchObject({ error: "invalid_redirect_uri" });
});

test.each([
  [{ redirect_uris: [] }, "invalid_redirect_uri"],
  [{ redirect_uris: callback }, "invalid_redirect_uri"],
  [{ redirect_uris: [1] }, "invalid_redirect_uri"],
  [{ redirect_uris: Array.from({ length: 17 }, () => callback) }, "invalid_redirect_uri"],
  [{}, "invalid_redirect_uri"],
  [[], "invalid_client_metadata"],
  [{ redirect_uris: [callback], grant_types: ["client_credentials"] }, "invalid_client_metadata"],
  [
    {
      redirect_uris: [callback],
      token_endpoint_auth_method: "private_key_jwt",
      jwks_uri: "http://169.254.169.254/",
    },
    "invalid_client_metadata",
  ],
])("metadata %j is refused", async (metadata, error) => {
  const { register } = await world();
  expect(await register(metadata)).toMatchObject({ status: 400, body: { error } });
});

test("a client cannot name what it is not asked: id, secret, URLs to fetch", async () => {
  const { register } = await world();
  const { body } = await register({
    redirect_uris: [callback],
    client_id: "tollgate",
    client_secret: "mine",
    logo_uri: "http://169.254.169.254/logo.png",
    sector_identifier_uri: "https://127.0.0.1/sector",
    jwks_uri: "https://127.0.0.1/jwks",
    id_token_signed_response_alg: "HS256",
  });
  expect(body["client_id"]).not.toBe("tollgate");
  expect(body["client_secret"]).not.toBe("mine");
  for (const gone of ["logo_uri", "sector_identifier_uri", "jwks_uri"]) {
    expect(body).not.toHaveProperty(gone);
  }
});

test.each([
  ["broken JSON", "{", "application/json", 400],
  ["another media type", "{}", "text/plain", 400],
  ["a body of 60 KiB", JSON.stringify({ a: "x".repeat(60_000) }), "application/json", 413],
])("%s is refused", async (_case, body, type, status) => {
  const { issuer } = await world();
  const response = await fetch(`${issuer}/register`, {
    method: "POST",
    headers: { "content-type": type },
    body,
  });
  expect(response.status).toBe(status);
});

test("a body without a stated length is cut off with a 413", async () => {
  const { issuer } = await world();
  const chunk = new TextEncoder().encode("x".repeat(16 * 1024));
  const body = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 6; i++) controller.enqueue(chunk);
      controller.close();
    },
  });
  const response = await fetch(`${issuer}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    duplex: "half",
  });
  expect(response.status).toBe(413);
});

test("a flood of registrations is slowed down", async () => {
  const { register } = await world();
  const statuses = [];
  for (let i = 0; i < 61; i++)
    statuses.push((await register({ redirect_uris: [callback] })).status);
  expect(statuses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 201));
  expect(statuses[60]).toBe(429);
});
