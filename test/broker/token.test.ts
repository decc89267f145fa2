import { afterEach, expect, test, vi } from "vitest";
import { logIn } from "../../examples/demo/browser.ts";
import { callback, mcp, verifier, world, type World } from "./world.ts";

afterEach(() => void vi.useRealTimers());

/** Only `Date` is replaced: timers and sockets stay real. */
function later(seconds: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1000 });
}

async function code(at: World, clientId: string, redirect = callback): Promise<string> {
  const url = at.authorizeUrl({ client_id: clientId, redirect_uri: redirect });
  return (await logIn(url, "alice")).searchParams.get("code") ?? "";
}

function redeem(clientId: string, value: string): Record<string, string> {
  return {
    grant_type: "authorization_code",
    client_id: clientId,
    code: value,
    redirect_uri: callback,
    code_verifier: verifier,
  };
}

test("a code works once, and its second use ends what the first one gave", async () => {
  const at = await world();
  const clientId = await at.client();
  const form = redeem(clientId, await code(at, clientId));
  const first = await at.token(form);
  expect(first.status).toBe(200);
  const refused = { status: 400, body: { error: "invalid_grant" } };
  expect(await at.token(form)).toMatchObject(refused);
  const refresh = {
    grant_type: "refresh_token",
    client_id: clientId,
    refresh_token: first.body.refresh_token,
  };
  expect(await at.token(refresh)).toMatchObject(refused);
});

test.each([
  ["another verifier", { code_verifier: "x".repeat(43) }],
  ["no verifier", { code_verifier: "" }],
  ["another redirect URI", { redirect_uri: "http://localhost:8124/callback" }],
])("a code with %s is refused", async (_case, change) => {
  const at = await world();
  const clientId = await at.client();
  const form = { ...redeem(clientId, await code(at, clientId)), ...change };
  expect(await at.token(form)).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
});

test("a code of another client is refused", async () => {
  const at = await world();
  const value = await code(at, await at.client());
  const answer = await at.token(redeem(await at.client(), value));
  expect(answer).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
  expect(at.lines).toContainEqual({
    event: "broker_refused",
    fields: expect.objectContaining({ endpoint: "token", detail: "client mismatch" }),
  });
});

test("a code is too old after a minute", async () => {
  const at = await world();
  const clientId = await at.client();
  const value = await code(at, clientId);
  later(61);
  const answer = await at.token(redeem(clientId, value));
  expect(answer).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
});

test("a loopback redirect may come with another port, but localhost is not 127.0.0.1", async () => {
  const at = await world();
  const clientId = await at.client();
  expect(await code(at, clientId, "http://localhost:55555/callback")).not.toBe("");
  const other = at.authorizeUrl({
    client_id: clientId,
    redirect_uri: "http://127.0.0.1:8123/callback",
  });
  await expect(logIn(other, "alice")).rejects.toThrow("HTTP 400");
});

async function refresher(at: World): Promise<{
  clientId: string;
  refresh: (token: unknown, change?: Record<string, string>) => ReturnType<World["token"]>;
  first: unknown;
}> {
  const tokens = await at.tokens({ authorize: { scope: "mcp:tools courses:read" } });
  const clientId = tokens.clientId;
  const base = { grant_type: "refresh_token", client_id: clientId };
  return {
    clientId,
    first: tokens.refresh_token,
    refresh: (token, change) => at.token({ ...base, refresh_token: String(token), ...change }),
  };
}

test("two refreshes at the same time both succeed", async () => {
  const { refresh, first } = await refresher(await world());
  const answers = await Promise.all([refresh(first), refresh(first), refresh(first)]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  for (const { body } of answers) {
    expect(await refresh(body.refresh_token)).toMatchObject({ status: 200 });
  }
});

test("a used refresh token works for ten seconds; later use ends the whole family", async () => {
  const { refresh, first } = await refresher(await world());
  const { body } = await refresh(first);
  later(9);
  expect(await refresh(first)).toMatchObject({ status: 200 });
  later(2);
  const refused = { status: 400, body: { error: "invalid_grant" } };
  expect(await refresh(first)).toMatchObject(refused);
  expect(await refresh(body.refresh_token)).toMatchObject(refused);
});

test("a refresh token ends 14 days after its last use and 90 days after the login", async () => {
  const idle = await refresher(await world());
  later(14 * 86_400 + 1);
  expect(await idle.refresh(idle.first)).toMatchObject({ status: 400 });
  vi.useRealTimers();

  const busy = await refresher(await world());
  let token = busy.first;
  for (let days = 0; days < 84; days += 12) {
    later(12 * 86_400);
    const { status, body } = await busy.refresh(token);
    expect(status).toBe(200);
    token = body.refresh_token;
  }
  later(7 * 86_400);
  expect(await busy.refresh(token)).toMatchObject({
    status: 400,
    body: { error: "invalid_grant" },
  });
});

test.each([
  ["fewer scopes", { scope: "mcp:tools" }, 200, { scope: "mcp:tools" }],
  ["more scopes", { scope: "mcp:tools courses:write" }, 400, { error: "invalid_scope" }],
  ["another resource", { resource: "http://localhost:3000/x" }, 400, { error: "invalid_target" }],
])("a refresh may ask for %s: %j", async (_case, change, status, body) => {
  const { refresh, first } = await refresher(await world());
  expect(await refresh(first, change)).toMatchObject({ status, body });
});

test("a refresh token of another client is refused", async () => {
  const at = await world();
  const { refresh, first } = await refresher(at);
  const answer = await refresh(first, { client_id: await at.client() });
  expect(answer).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
});

test("a revoked refresh token is gone, and nobody else can revoke it", async () => {
  const at = await world();
  const { refresh, first, clientId } = await refresher(at);
  const revoke = (client: string, token: unknown): Promise<Response> =>
    fetch(`${at.issuer}/revoke`, {
      method: "POST",
      body: new URLSearchParams({ token: String(token), client_id: client }),
    });
  await revoke(await at.client(), first);
  const { status, body } = await refresh(first);
  expect(status).toBe(200);
  expect((await revoke(clientId, body.refresh_token)).status).toBe(200);
  expect(await refresh(body.refresh_token)).toMatchObject({ status: 400 });
});

test("a client that did not register for refresh tokens gets none", async () => {
  const at = await world();
  const clientId = await at.client({ grant_types: ["authorization_code"] });
  expect(await at.tokens({ clientId })).not.toHaveProperty("refresh_token");
});

test.each([
  ["GET", { method: "GET" }, 405],
  ["JSON", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }, 400],
  [
    "a parameter twice",
    {
      method: "POST",
      body: new URLSearchParams(
        "grant_type=a&grant_type=b&client_id=poster&client_secret=s3cret:with%25odd%26parts",
      ),
    },
    400,
  ],
  ["60 KiB", { method: "POST", body: new URLSearchParams({ x: "y".repeat(60_000) }) }, 413],
])("the token endpoint refuses %s", async (_case, init, status) => {
  const { issuer } = await world();
  expect((await fetch(`${issuer}/token`, init)).status).toBe(status);
});

test("programs on other origins may use the token endpoints, pages may not be read", async () => {
  const at = await world();
  const headers = { origin: "https://inspector.example" };
  for (const path of ["/token", "/register", "/revoke"]) {
    const preflight = await fetch(`${at.issuer}${path}`, {
      method: "OPTIONS",
      headers: { ...headers, "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")?.split(", ")).toEqual(
      expect.arrayContaining(["authorization", "content-type", "dpop"]),
    );
    const answer = await fetch(`${at.issuer}${path}`, { method: "POST", headers });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  }
  const url = at.authorizeUrl({ client_id: await at.client(), resource: mcp });
  for (const page of [url, `${at.issuer}/interaction/x`]) {
    const answer = await fetch(page, { headers, redirect: "manual" });
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  }
});
