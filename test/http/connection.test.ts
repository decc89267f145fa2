import { readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { startIdp } from "../world/idp.ts";
import { world, type World } from "../world/world.ts";

afterEach(() => {
  vi.useRealTimers();
});

const spec = {
  paths: {
    "/orders/{owner}": {
      get: {
        operationId: "list_orders",
        parameters: [{ name: "owner", in: "path", required: true, schema: { type: "string" } }],
      },
    },
  },
};
const tools = "- {operation: list_orders, args: {owner: {from: principal.sub}}}";
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout";
const call = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "list_orders", arguments: {} },
});

type Ask = (authorization: readonly string[], path?: string) => Promise<string>;

/**
 * One connection as a proxy keeps it, for whoever comes: each request in one packet, its answer read
 * before the next. Tells the status and why, or for whom the API was asked.
 */
function connectTo(at: World): Ask {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<Socket>();
  onTestFinished(() => {
    agent.destroy();
    expect(sockets.size).toBe(1);
  });
  const { host, hostname, port } = new URL(at.url);
  return (authorization, path = "/mcp") =>
    new Promise((resolve, reject) => {
      const before = at.api.requests.length;
      const plain = {
        Host: host,
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "Content-Length": String(call.length),
      };
      const shown = authorization.flatMap((value) => ["Authorization", value]);
      const headers = [...Object.entries(plain).flat(), ...shown];
      const sent = request({ agent, hostname, port, path, method: "POST", headers }, (answer) => {
        sockets.add(answer.socket);
        let text = "";
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
        answer.on("end", () => {
          const asked = at.api.requests.slice(before).map((seen) => seen.path);
          const { error } = JSON.parse(text) as { readonly error?: string };
          resolve([answer.statusCode, ...(error === undefined ? asked : [error])].join(" "));
        });
      });
      sent.on("error", reject);
      sent.end(call);
    });
}

async function edit(at: World, change: (text: string) => string): Promise<void> {
  const file = join(at.dir, "gateway.yaml");
  await writeFile(file, change(await readFile(file, "utf8")));
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
}

const believed = (sub: string): string => `200 /orders/${sub}`;
const refused = "401 invalid_token";

test("on a connection of several people each is who their own token says", async () => {
  const at = await world({ spec, tools, credential: "none" });
  const ask = connectTo(at);
  const alice = `Bearer ${await at.idp.token()}`;
  const bob = `Bearer ${await at.idp.token({ sub: "bob" })}`;
  const asked: string[] = [];
  for (const one of [alice, alice, bob, alice, bob, bob, alice]) asked.push(await ask([one]));
  const people = ["alice", "alice", "bob", "alice", "bob", "bob", "alice"];
  expect(asked).toEqual(people.map(believed));
  expect(await ask([alice, alice])).toBe("400 invalid_request");
  expect(await ask([alice, bob])).toBe("400 invalid_request");
  expect(await ask([])).toBe("401 missing_token");
  expect(await ask([alice.slice(0, -8)])).toBe(refused);
  expect(await ask([alice])).toBe(believed("alice"));
  expect(at.api.requests).toHaveLength(8);
});

test("what a connection showed last ends with its token, its person's logout and its issuer", async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
  const other = await startIdp("");
  onTestFinished(() => other.close());
  const issuers = `{issuer: "${other.url}"}`;
  const at = await world({
    spec,
    tools,
    credential: "none",
    extra: { issuer: "backChannelLogout: {audience: [tollgate]}", issuers },
  });
  const ask = connectTo(at);
  const begin = async (sub: string, token: string): Promise<string> => {
    const shown = `Bearer ${token}`;
    for (let i = 0; i < 3; i++) expect(await ask([shown])).toBe(believed(sub));
    return shown;
  };
  const now = Math.floor(Date.now() / 1000);

  const alice = await begin("alice", await at.idp.token({ iat: now - 5 }));
  const events = { [logoutEvent]: {} };
  const claims = { aud: "tollgate", scope: undefined, client_id: undefined, iat: now, events };
  const logout = await at.idp.token(claims, "logout+jwt");
  const body = new URLSearchParams({ logout_token: logout });
  const { origin } = new URL(at.url);
  expect((await fetch(`${origin}/backchannel-logout`, { method: "POST", body })).status).toBe(200);
  expect(await ask([alice])).toBe(refused);

  const bob = await begin("bob", await at.idp.token({ sub: "bob" }));
  await edit(at, (text) => text.replace("{mode: oauth,", "{mode: oauth, deny: {sub: [bob]},"));
  expect(await ask([bob])).toBe(refused);

  const carol = await begin("carol", await other.token({ sub: "carol", aud: at.url }));
  await edit(at, (text) => text.replace(issuers, ""));
  expect(await ask([carol])).toBe(refused);

  const dave = await begin("dave", await at.idp.token({ sub: "dave", exp: now + 60 }));
  vi.setSystemTime(Date.now() + 100_000);
  expect(await ask([dave])).toBe(refused);
  const reasons = (await at.audit()).flatMap(({ event, reason }) =>
    event === "auth.deny" ? [reason] : [],
  );
  expect(reasons).toEqual(["logged_out", "denied_token", "unknown_issuer", "expired"]);
});

test("a connection that is believed at one endpoint is not at the other", async () => {
  const top = "endpoints: {/mcp: {apis: [api]}, /admin: {apis: [api]}}";
  const at = await world({ spec, tools, credential: "none", extra: { top } });
  const ask = connectTo(at);
  const alice = `Bearer ${await at.idp.token()}`;
  for (let i = 0; i < 3; i++) expect(await ask([alice])).toBe(believed("alice"));
  expect(await ask([alice], "/admin")).toBe(refused);
  expect(await ask([alice])).toBe(believed("alice"));
  expect(await ask([alice], "/admin")).toBe(refused);
  expect(at.api.requests).toHaveLength(4);
});

test("a token that must be proven is not believed for a connection that proved another", async () => {
  const at = await world({ spec, tools, credential: "none", extra: { auth: "dpop: optional," } });
  const ask = connectTo(at);
  const alice = `Bearer ${await at.idp.token()}`;
  const bound = await at.idp.token({ sub: "bob", cnf: { jkt: "A".repeat(43) } });
  for (let i = 0; i < 2; i++) {
    expect(await ask([alice])).toBe(believed("alice"));
    expect(await ask([`DPoP ${bound}`])).toBe("401 invalid_dpop_proof");
    expect(await ask([`Bearer ${bound}`])).toBe(refused);
    expect(await ask([alice.replace("Bearer", "DPoP")])).toBe(refused);
  }
  expect(await ask([alice])).toBe(believed("alice"));
});
