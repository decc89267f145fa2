import { connect } from "node:net";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { freePort, world, type World, type WorldOptions } from "../world/world.ts";
import { requestBytes, sendRaw, type RawResponse } from "./raw.ts";

const spec = {
  paths: {
    "/orders": { get: { operationId: "list_orders" }, post: { operationId: "add_order" } },
  },
};
const json = ["Content-Type: application/json", "Accept: application/json, text/event-stream"];
const call = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "list_orders", arguments: {} },
});

function shop(options: Partial<WorldOptions> = {}): Promise<World> {
  return world({ spec, credential: "none", ...options });
}

async function post(at: World, headers: readonly string[], path = "/mcp"): Promise<RawResponse> {
  const bearer = `Authorization: Bearer ${await at.idp.token()}`;
  return sendRaw(
    at.url,
    requestBytes(at.url, { path, headers: [...json, bearer, ...headers], body: call }),
  );
}

const rejected = (reason: string): object => ({
  event: "request.reject",
  outcome: "denied",
  reason,
});

test("S25 forwarded headers of a caller change neither address nor person, and reach no API", async () => {
  const at = await shop();
  const spoofed = [
    "X-Forwarded-For: 203.0.113.9",
    "Forwarded: for=203.0.113.9",
    "X-Real-IP: 203.0.113.9",
    "X-Forwarded-User: root",
    "X-User: root",
  ];
  expect((await post(at, spoofed)).status).toBe(200);
  expect(await at.audit()).toMatchObject([
    { actor: { sub: "alice" }, client: { ip: "127.0.0.1" } },
  ]);
  expect(JSON.stringify(at.api.requests)).not.toMatch(/203\.0\.113\.9|root/);
});

test("S26 a request without a Host is 400", async () => {
  const at = await shop();
  const bytes = `POST /mcp HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  expect((await sendRaw(at.url, bytes)).status).toBe(400);
  expect(at.api.requests).toEqual([]);
});

test("S27 two Host headers are refused, whichever is right", async () => {
  const at = await shop();
  const { host } = new URL(at.url);
  for (const [first, second] of [
    [host, "evil.test"],
    ["evil.test", host],
    [host, host],
  ]) {
    const { status } = await post(at, [`Host: ${first}`, `host: ${second}`]);
    expect(status).toBe(403);
  }
  expect(at.api.requests).toEqual([]);
});

test("S27 a target in absolute form names no other authority than an allowed one", async () => {
  const at = await shop();
  const { host } = new URL(at.url);
  const evil = await post(at, [`Host: ${host}`], "http://evil.test/mcp");
  expect(evil.status).toBeGreaterThanOrEqual(400);
  const path = "http://evil.test/.well-known/oauth-protected-resource/mcp";
  const metadata = await sendRaw(at.url, requestBytes(at.url, { method: "GET", path }));
  expect(metadata.body).not.toContain("evil.test");
  expect(at.api.requests).toEqual([]);
});

test.each([
  "http://evil.test",
  "null",
  "https://evil-127.0.0.1",
  "http://127.0.0.1.evil.test",
  "http://localhost@evil.test",
  "file://",
])("S33, S35: the Origin %s is 403, and no origin is reflected", async (origin) => {
  const at = await shop();
  for (const method of ["POST", "OPTIONS"]) {
    const headers = [...json, `Origin: ${origin}`, "Access-Control-Request-Method: POST"];
    const answer = await sendRaw(at.url, requestBytes(at.url, { method, headers, body: call }));
    expect(answer.status).toBe(403);
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual(
      [],
    );
  }
  expect(at.api.requests).toEqual([]);
  expect(await at.audit()).toMatchObject([rejected("origin_not_allowed"), {}]);
});

test("S35 an allowed origin is named itself, without credentials, with the needed headers only", async () => {
  const at = await shop({ extra: { server: "allowedOrigins: [app.acme.test]" } });
  const origin = "https://app.acme.test";
  const headers = [
    `Origin: ${origin}`,
    "Access-Control-Request-Method: POST",
    "Access-Control-Request-Headers: authorization,cookie,mcp-name,mcp-param-region,x-mcp-param-a,mcp-param-*",
  ];
  const preflight = await sendRaw(at.url, requestBytes(at.url, { method: "OPTIONS", headers }));
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-origin")).toEqual([origin]);
  expect(preflight.headers.get("access-control-allow-methods")).toEqual(["POST"]);
  expect(preflight.headers.get("access-control-allow-headers")).toEqual([
    "authorization, dpop, content-type, mcp-protocol-version, mcp-method, mcp-name, mcp-param-region",
  ]);
  expect(preflight.headers.has("access-control-allow-credentials")).toBe(false);
  for (const other of ["https://evil-app.acme.test", "https://app.acme.test.evil.test"]) {
    expect((await post(at, [`Origin: ${other}`])).status).toBe(403);
  }
  expect((await post(at, [`Origin: ${origin}`])).status).toBe(200);
});

test.each(["evil.test", "evil.test:80", "127.0.0.1.evil.test", "169.254.169.254", "[::2]", "a b"])(
  "S34 the Host %s is refused at a loopback listener, with and without an Origin",
  async (host) => {
    const at = await shop();
    expect((await post(at, [`Host: ${host}`])).status).toBeGreaterThanOrEqual(400);
    const same = await post(at, [`Host: ${host}`, `Origin: http://${host}`]);
    expect(same.status).toBeGreaterThanOrEqual(400);
    expect(at.api.requests).toEqual([]);
  },
);

test("S39 a Host moves no advertised URL", async () => {
  const at = await shop();
  const { port, origin } = new URL(at.url);
  const path = "/.well-known/oauth-protected-resource/mcp";
  const headers = [`Host: localhost:${port}`];
  const metadata = await sendRaw(at.url, requestBytes(at.url, { method: "GET", path, headers }));
  expect(JSON.parse(metadata.body)).toMatchObject({ resource: `${origin}/mcp` });
  expect(metadata.body).not.toContain("localhost");
});

test("S41 a body over the limit is 413, with a length and without", async () => {
  const at = await shop({ extra: { top: "limits: {requestSize: 64KiB}" } });
  const bearer = `Authorization: Bearer ${await at.idp.token()}`;
  const large = `"${"x".repeat(200_000)}"`;
  const sized = requestBytes(at.url, { headers: [...json, bearer], body: large });
  const chunk = `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
  const chunked = [...json, bearer, "Transfer-Encoding: chunked"];
  const unsized = requestBytes(at.url, { headers: chunked, body: chunk });
  const answers = [await sendRaw(at.url, sized), await sendRaw(at.url, unsized)];
  expect(answers.map(({ status }) => status)).toEqual([413, 413]);
  expect(await at.audit()).toMatchObject([
    rejected("request_too_large"),
    rejected("request_too_large"),
  ]);
});

test("S42 a compressed body is 415, unread", async () => {
  const at = await shop();
  const bearer = `Authorization: Bearer ${await at.idp.token()}`;
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  for (const coding of ["gzip", "br", "identity, gzip"]) {
    const headers = [...json, bearer, `Content-Encoding: ${coding}`];
    const answer = await sendRaw(at.url, requestBytes(at.url, { headers, body: bomb }));
    expect(answer.status).toBe(415);
  }
  expect(at.api.requests).toEqual([]);
});

test("S93 a thousand idle connections and a slow head keep nobody else waiting", async ({
  annotate,
}) => {
  const at = await shop();
  const { hostname, port } = new URL(at.url);
  const idle = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const socket = connect(Number(port), hostname);
      socket.on("error", () => {});
      await once(socket, "connect");
      return socket;
    }),
  );
  for (const socket of idle.slice(0, 500)) socket.write("POST /mcp HTTP/1.1\r\nHost: 127");
  for (let i = 0; i < 20; i++) await at.call("list_orders");
  expect(at.api.requests).toHaveLength(20);
  await annotate("20 of 20 calls answered beside 1,000 idle connections", "observed");
  for (const socket of idle) socket.destroy();
});

test("S93 pipelined requests are answered in order, each with its own record", async () => {
  const at = await shop();
  const bearer = `Authorization: Bearer ${await at.idp.token()}`;
  const keep = [...json, bearer, "Connection: keep-alive"];
  const bytes = (id: number, headers: readonly string[]): Buffer =>
    requestBytes(at.url, { headers, body: call.replace('"id":1', `"id":${id}`) });
  const all = [1, 2, 3, 4].map((id) => bytes(id, keep));
  const socket = connect(Number(new URL(at.url).port), "127.0.0.1");
  let seen = "";
  socket.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  socket.write(Buffer.concat([...all, bytes(5, [...json, bearer])]));
  await once(socket, "close");
  expect([...seen.matchAll(/"id":(\d)/g)].map(([, id]) => Number(id))).toEqual([1, 2, 3, 4, 5]);
  expect(await at.audit()).toHaveLength(5);
});

test("a connection on which nothing was ever sent holds no shutdown up", async () => {
  const at = await shop();
  const socket = connect(Number(new URL(at.url).port), "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  await at.call("list_orders");
  await Promise.all([once(socket, "close"), at.gateway.close()]);
  expect(socket.destroyed).toBe(true);
});

test("S94 the public port has no operator's page, however it is written", async () => {
  const admin = await freePort();
  const at = await shop({ extra: { top: `admin: {listen: 127.0.0.1:${admin}}` } });
  const paths = ["/livez", "/readyz", "/metrics", "/config/status", "/admin"];
  const spellings = paths.flatMap((path) => [
    path,
    `/${path}`,
    `/%6d${path.slice(1)}`,
    path.replace(/^\/./, (start) => `/%${start.charCodeAt(1).toString(16)}`),
    `/mcp/..${path}`,
    `/mcp/%2e%2e${path}`,
    `http://127.0.0.1:${admin}${path}`,
  ]);
  for (const path of spellings) {
    const { status } = await sendRaw(at.url, requestBytes(at.url, { method: "GET", path }));
    expect.soft([path, status]).toEqual([path, 404]);
  }
});

test("S95 a page of another origin gets nothing from the admin listener", async () => {
  const admin = await freePort();
  const at = await shop({ extra: { top: `admin: {listen: 127.0.0.1:${admin}}` } });
  const origin = `http://127.0.0.1:${admin}`;
  for (const path of ["/livez", "/metrics", "/config/status"]) {
    const rebound = ["Host: evil.test"];
    const answer = await sendRaw(
      origin,
      requestBytes(origin, { method: "GET", path, headers: rebound }),
    );
    expect([path, answer.status]).toEqual([path, 403]);
    const read = await fetch(`${origin}${path}`, { headers: { origin: "http://evil.test" } });
    expect([path, read.headers.get("access-control-allow-origin")]).toEqual([path, null]);
    const own = await fetch(`${origin}${path}`);
    expect([path, own.status]).toEqual([path, 200]);
  }
  expect(at.api.requests).toEqual([]);
});
