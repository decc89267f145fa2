import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { world, type World } from "../world/world.ts";

const spec = {
  paths: {
    "/orders": { get: { operationId: "list_orders" } },
    "/users": { get: { operationId: "list_users" }, post: { operationId: "add_user" } },
  },
};
const apis = `users:
  spec: spec.json
  url: API_URL
  credential: none
  tools: [{match: {paths: [/users]}}]`;
const tools = "- match: {paths: [/orders]}";
const top = "endpoints: {/mcp: {apis: [api]}, /admin: {apis: [users, api]}}";

async function twoEndpoints(): Promise<World & { readonly admin: string }> {
  const at = await world({ spec, tools, credential: "none", extra: { apis, top } });
  return { ...at, admin: `${new URL(at.url).origin}/admin` };
}

const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
const call = (name: string): object => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: {} },
});

async function send(url: string, token: string, body: object): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify(body),
  });
}

async function namesAt(url: string, token: string): Promise<readonly string[]> {
  const { result } = (await (await send(url, token, list)).json()) as {
    readonly result: { readonly tools: readonly { readonly name: string }[] };
  };
  return result.tools.map(({ name }) => name);
}

test("T25: each endpoint takes its own tokens and refuses those of the other", async () => {
  const { url, admin, idp, audit } = await twoEndpoints();
  for (const [own, other] of [
    [url, admin],
    [admin, url],
  ] as const) {
    const token = await idp.token({ aud: own });
    expect((await send(own, token, list)).status).toBe(200);
    const refused = await send(other, token, list);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toContain(
      `resource_metadata="${new URL(other).origin}/.well-known/oauth-protected-resource${new URL(other).pathname}"`,
    );
    // Known at one endpoint is still unknown at the other.
    expect((await send(other, token, list)).status).toBe(401);
    expect((await send(own, token, list)).status).toBe(200);
  }
  expect(await audit()).toMatchObject(
    Array.from({ length: 4 }, () => ({ event: "auth.deny", reason: "wrong_audience" })),
  );
});

test("each endpoint has the tools of its apis, and calls no other", async () => {
  const { url, admin, idp, api } = await twoEndpoints();
  const [here, there] = [await idp.token({ aud: url }), await idp.token({ aud: admin })];
  expect(await namesAt(url, here)).toEqual(["list_orders"]);
  expect(await namesAt(admin, there)).toEqual(["add_user", "list_orders", "list_users"]);
  const unknown = (await (await send(url, here, call("list_users"))).json()) as object;
  expect(unknown).toMatchObject({ error: { code: -32602, message: "Unknown tool: list_users" } });
  expect(api.requests).toEqual([]);
  await send(admin, there, call("list_users"));
  await send(url, here, call("list_orders"));
  expect(api.requests.map(({ path }) => path)).toEqual(["/users", "/orders"]);
});

test("each endpoint has its own metadata, and the root has none", async () => {
  const { url, admin } = await twoEndpoints();
  const { origin } = new URL(url);
  for (const resource of [url, admin]) {
    const at = `${origin}/.well-known/oauth-protected-resource${new URL(resource).pathname}`;
    expect(await (await fetch(at)).json()).toMatchObject({ resource });
  }
  expect((await fetch(`${origin}/.well-known/oauth-protected-resource`)).status).toBe(404);
  expect((await fetch(`${origin}/other`, { method: "POST" })).status).toBe(404);
});

test("an endpoint's own audience replaces its URL", async () => {
  const at = await world({
    spec,
    tools,
    credential: "none",
    extra: {
      apis,
      top: "endpoints: {/mcp: {apis: [api]}, /admin: {apis: [users], audience: [guid]}}",
    },
  });
  const admin = `${new URL(at.url).origin}/admin`;
  expect((await send(admin, await at.idp.token({ aud: "guid" }), list)).status).toBe(200);
  expect((await send(admin, await at.idp.token({ aud: admin }), list)).status).toBe(401);
  expect((await send(at.url, await at.idp.token({ aud: "guid" }), list)).status).toBe(401);
});

test("a reload changes the apis of an endpoint, but never its path", async () => {
  const { url, idp, dir, gateway } = await twoEndpoints();
  const file = join(dir, "gateway.yaml");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace("/mcp: {apis: [api]}", "/mcp: {apis: [users]}"));
  expect(await gateway.reload()).toMatchObject({ outcome: "applied", toolsChanged: true });
  expect(await namesAt(url, await idp.token({ aud: url }))).toEqual(["add_user", "list_users"]);
  await writeFile(file, text.replace("/admin: ", "/staff: "));
  expect(await gateway.reload()).toMatchObject({
    outcome: "refused",
    issues: [{ code: "restart_required" }],
  });
});
