import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { createMcpEndpoint } from "../../src/mcp/endpoint.ts";
import { createIntroductions } from "../../src/mcp/errand.ts";
import { createLog } from "../../src/observe/log.ts";
import { freePort, world, type World } from "../world/world.ts";
import { call, legacy, modern, usual, type Posted } from "./wire.ts";

const spec = {
  paths: {
    "/items": { get: { operationId: "list_items", responses: { 200: { description: "" } } } },
  },
};

/** Opens a stream that is told of changed tools; gives what came first on it. */
async function listen({ url }: World, id: number): Promise<{ first: string; close: () => void }> {
  const own = "io.modelcontextprotocol/";
  const close = new AbortController();
  onTestFinished(() => close.abort());
  const response = await fetch(url, {
    method: "POST",
    signal: close.signal,
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "subscriptions/listen",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id,
      method: "subscriptions/listen",
      params: {
        notifications: { toolsListChanged: true },
        _meta: {
          [`${own}protocolVersion`]: "2026-07-28",
          [`${own}clientInfo`]: { name: "test", version: "1" },
          [`${own}clientCapabilities`]: {},
        },
      },
    }),
  });
  expect(response.status).toBe(200);
  const chunk = await response.body?.getReader().read();
  return { first: Buffer.from(chunk?.value ?? []).toString(), close: () => close.abort() };
}

/** Of listening clients, as the admin listener says. */
async function countAt(port: number): Promise<string | undefined> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return /^tollgate_listen_streams (.*)$/m.exec(metrics)?.[1];
}

const acknowledged = "notifications/subscriptions/acknowledged";

test("F68: one listening client more than limits.listenStreams is refused until another leaves", async () => {
  const port = await freePort();
  const gate = await world({
    spec,
    auth: "none",
    credential: "none",
    extra: { top: `limits: { listenStreams: 2 }\nadmin: {listen: "127.0.0.1:${port}"}` },
  });
  const listening = (): Promise<string | undefined> => countAt(port);
  expect(await listening()).toBe("0");
  const one = await listen(gate, 1);
  expect(one.first).toContain(acknowledged);
  expect((await listen(gate, 2)).first).toContain(acknowledged);
  const refused = JSON.parse((await listen(gate, 3)).first) as object;
  expect(refused).toMatchObject({ id: 3, error: { code: -32603 } });
  await expect.poll(listening).toBe("2");
  one.close();
  await expect.poll(listening).toBe("1");
  await expect.poll(async () => (await listen(gate, 4)).first).toContain(acknowledged);
  await expect.poll(listening).toBe("2");
});

function written({ url }: World, { body, headers }: Posted): string {
  const text = JSON.stringify(body);
  const all = { host: new URL(url).host, "content-length": text.length, ...usual, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /mcp HTTP/1.1\r\n${lines.join("")}\r\n${text}`;
}

test("F68: a stream that waits behind a reply on its connection ends with that", async () => {
  const port = await freePort();
  const gate = await world({
    spec,
    auth: "none",
    credential: "none",
    extra: { top: `admin: {listen: "127.0.0.1:${port}"}`, api: "timeout: 60s" },
  });
  gate.api.answer = () => {};
  const listening = (): Promise<string | undefined> => countAt(port);
  const socket = connect(Number(new URL(gate.url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const streams = Array.from({ length: 12 }, (_, id) =>
    modern("subscriptions/listen", { notifications: { toolsListChanged: true } }, id + 2),
  );
  const all = [legacy("tools/call", call("list_items")), ...streams];
  socket.write(all.map((posted) => written(gate, posted)).join(""));
  await expect.poll(listening).toBe("12");
  socket.destroy();
  await expect.poll(listening).toBe("0");
});

test("who went away before the stream could begin does not count as listening", async () => {
  const at = await world({ spec, auth: "none", credential: "none" });
  const { mcp, authenticate } = at.gateway.snapshot.endpoints[0]!;
  const ports = { now: () => Date.now(), log: createLog(() => {}, "debug") };
  const endpoint = createMcpEndpoint(
    () => mcp,
    {
      info: { name: "tollgate", version: "0.0.0-test" },
      introductions: createIntroductions(ports.now),
      maxListenStreams: 1,
    },
    ports,
  );
  onTestFinished(() => endpoint.close());
  const { body, headers } = modern("subscriptions/listen", {
    notifications: { toolsListChanged: true },
  });
  let done: Promise<void> | undefined;
  const server = createServer((request, response) => {
    const late = async (): Promise<void> => {
      await once(response, "close");
      const principal = await authenticate(request.rawHeaders, undefined);
      const ip = request.socket.remoteAddress;
      await endpoint.post({ request, response, body: body as JsonObject, principal, ip });
    };
    done = late();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const client = connect(port, "127.0.0.1");
  client.write(written({ ...at, url: `http://127.0.0.1:${port}/mcp` }, { body, headers }));
  await vi.waitFor(() => expect(done).toBeDefined());
  client.destroy();
  await done;
  expect(endpoint.listening()).toBe(0);
});
