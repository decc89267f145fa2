import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../world/api.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";
import { requestBytes, sendRaw } from "./raw.ts";

const spec = {
  paths: {
    "/orders": {
      get: { operationId: "list_orders" },
      post: { operationId: "add_order" },
    },
  },
};
const call = (name: string): string =>
  JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name, arguments: {} },
  });
const json = ["Content-Type: application/json", "Accept: application/json, text/event-stream"];

function shop(options: Partial<WorldOptions> = {}): Promise<World> {
  return world({ spec, credential: "none", ...options });
}

/** Every URL that an answer shows. */
function urlsIn(text: string): readonly string[] {
  return [...text.matchAll(/https?:\/\/[^"\s,]+/g)].map(([url]) => url);
}

test("T26: the API sees another token than the gateway, and its token is none for the gateway", async () => {
  const at = await world({ spec });
  await at.call("list_orders");
  expect(at.api.requests[0]?.headers.authorization).toBe("Bearer inner-1");
  const inner = await at.post(call("list_orders"), { authorization: "Bearer inner-1" });
  const forApi = await at.post(call("list_orders"), {
    authorization: `Bearer ${await at.idp.token({ aud: "api" })}`,
  });
  expect([inner.status, forApi.status]).toEqual([401, 401]);
  expect(at.api.requests).toHaveLength(1);
});

test("T39: a missing scope is one 403 with all scopes, and a token with all of them gets in", async () => {
  const at = await shop({ tools: "- operation: add_order\n  scopes: [orders:write, orders:read]" });
  const present = async (scope: string): Promise<Response> =>
    at.post(call("add_order"), { authorization: `Bearer ${await at.idp.token({ scope })}` });
  const refused = await present("mcp:tools orders:read");
  expect(refused.status).toBe(403);
  expect(refused.headers.get("www-authenticate")).toContain(
    'scope="mcp:tools orders:write orders:read"',
  );
  expect(at.api.requests).toEqual([]);
  expect((await present("mcp:tools orders:write orders:read")).status).toBe(200);
  expect(at.api.requests).toHaveLength(1);
});

test.each([
  ["a folded header", ["Authorization: Bearer a", " b"]],
  ["a NUL", ["Authorization: Bearer a\0b"]],
  ["a space before the colon", ["Authorization : Bearer a"]],
  ["two framings", ["Content-Length: 2", "Transfer-Encoding: chunked"]],
])("H02: %s is refused by the parser", async (_what, headers) => {
  const at = await shop();
  const { status } = await sendRaw(at.url, requestBytes(at.url, { headers, body: "{}" }));
  expect(status).toBe(400);
  expect(at.api.requests).toEqual([]);
});

test("H02: a bare line feed ends nothing", async () => {
  const at = await shop();
  const { host } = new URL(at.url);
  const bytes = `POST /mcp HTTP/1.1\nHost: ${host}\nConnection: close\n\n`;
  expect((await sendRaw(at.url, bytes)).status).toBe(400);
});

test("H06: a Host of somebody else's is 403, and nothing is ever built from it", async () => {
  const at = await shop();
  const evil = requestBytes(at.url, { headers: ["Host: evil.test", ...json], body: "{}" });
  expect((await sendRaw(at.url, evil)).status).toBe(403);
  // An accepted name is still not what is advertised.
  const { port, origin } = new URL(at.url);
  const alias = requestBytes(at.url, { headers: [`Host: localhost:${port}`, ...json], body: "{}" });
  const { status, headers } = await sendRaw(at.url, alias);
  expect(status).toBe(401);
  const shown = urlsIn(headers.get("www-authenticate")?.join() ?? "");
  expect(shown).toEqual([`${origin}/.well-known/oauth-protected-resource/mcp`]);
});

test("H07: forwarded headers change no URL that is advertised", async () => {
  const at = await shop();
  const headers = [
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: host=evil.test;proto=https",
  ];
  const refused = await sendRaw(at.url, requestBytes(at.url, { headers, body: "{}" }));
  const path = "/.well-known/oauth-protected-resource/mcp";
  const metadata = await sendRaw(at.url, requestBytes(at.url, { method: "GET", path, headers }));
  const shown = urlsIn(`${refused.headers.get("www-authenticate")?.join() ?? ""} ${metadata.body}`);
  expect(shown).toHaveLength(3);
  for (const url of shown)
    expect([new URL(at.url).origin, new URL(at.idp.url).origin]).toContain(new URL(url).origin);
});

test("H11: a redirect of the API to another host is not followed", async () => {
  const at = await shop();
  const other = await startApi();
  onTestFinished(() => other.close());
  at.api.answer = (_, response) =>
    void response.writeHead(302, { location: `${other.url}/stolen` }).end();
  expect(await at.call("list_orders")).toMatchObject({ isError: true });
  expect(other.requests).toEqual([]);
});

test("H15: a certificate in a header is nothing to the gateway", async () => {
  const at = await shop();
  const token = await at.idp.token({
    cnf: { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" },
  });
  const headers = ["x-client-cert", "x-ssl-client-cert", "client-cert", "x-forwarded-client-cert"];
  for (const name of headers) {
    const response = await at.post(call("list_orders"), {
      authorization: `Bearer ${token}`,
      [name]: ":MIIB:",
    });
    expect(response.status).toBe(401);
  }
  expect(at.api.requests).toEqual([]);
});

test("H17: a session id of somebody else has no effect", async () => {
  const at = await shop();
  const bob = `Bearer ${await at.idp.token({ sub: "bob" })}`;
  const response = await at.post(call("list_orders"), {
    authorization: bob,
    "mcp-session-id": "session-of-alice",
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("mcp-session-id")).toBeNull();
  const { status } = await fetch(at.url, {
    method: "POST",
    headers: { "content-type": "application/json", "mcp-session-id": "session-of-alice" },
    body: call("list_orders"),
  });
  expect(status).toBe(401);
});

test("H18: unknown issuer, key and signature are told apart by no header and no status", async () => {
  const at = await shop();
  const good = await at.idp.token();
  const bad = [
    `${good.slice(0, -8)}AAAAAAAA`,
    good.replace(/^[^.]+/, (header) => {
      const fields = JSON.parse(Buffer.from(header, "base64url").toString()) as object;
      return Buffer.from(JSON.stringify({ ...fields, kid: "k9" })).toString("base64url");
    }),
  ];
  const answers = await Promise.all(
    bad.map(async (token) => {
      const response = await at.post(call("list_orders"), { authorization: `Bearer ${token}` });
      return [response.status, response.headers.get("www-authenticate"), await response.text()];
    }),
  );
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]?.[0]).toBe(401);
});
