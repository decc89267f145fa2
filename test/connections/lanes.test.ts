import { expect, test } from "vitest";

import { lanes } from "../mcp/lanes.ts";
import { capable } from "./world.ts";

const own = "io.modelcontextprotocol/";
const connection = {
  credential: "connection: {provider: tracker}",
  clients: `tracker: {issuer: "http://127.0.0.1:1", tokenUrl: "http://127.0.0.1:1/token", id: at-tracker, secret: "\${CLIENT_SECRET}"}`,
  extra: {
    top: `connections:
  login: {client: gateway}
  providers: {tracker: {client: tracker, authorizationUrl: "http://127.0.0.1:1/authorize"}}`,
  },
};

/** Tickets differ each time, and what is made of them. */
const masked = (text: string): string =>
  text
    .replaceAll(/\?t=[\w-]+/g, "?t=…")
    .replaceAll(/"(requestState|elicitationId)":"[^"]+"/g, '"$1":"…"');

const params = { name: "list_orders", arguments: {} };
const usual = { accept: "application/json, text/event-stream", "content-type": "application/json" };

test.each([
  ["can open pages", capable, "input_required"],
  ["cannot", { elicitation: {} }, "complete"],
  ["says nothing", {}, "complete"],
])("2026-07-28: both lanes tell a client that %s the same", async (_what, capabilities, type) => {
  const { ask } = await lanes(connection);
  const meta = {
    [`${own}protocolVersion`]: "2026-07-28",
    [`${own}clientCapabilities`]: capabilities,
  };
  const body = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { ...params, _meta: meta } };
  const headers = {
    ...usual,
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "list_orders",
  };
  const { hot, sdk, taken } = await ask({ body, headers });
  expect(taken).toBe(true);
  const [mine, theirs] = [hot, sdk].map(
    ({ messages }) => JSON.parse(masked(JSON.stringify(messages))) as unknown,
  );
  expect(mine).toEqual(theirs);
  expect(mine).toMatchObject([{ id: 7, result: { resultType: type } }]);
});

test.each([
  ["can open pages", capable],
  ["cannot", {}],
])("2025-11-25: both lanes tell a client that %s the same", async (_what, capabilities) => {
  const { ask } = await lanes(connection);
  const clientInfo = { name: "test", version: "1" };
  const introduction = { protocolVersion: "2025-11-25", capabilities, clientInfo };
  const hello = { jsonrpc: "2.0", id: 0, method: "initialize", params: introduction };
  await ask({ body: hello, headers: usual });
  const body = { jsonrpc: "2.0", id: 7, method: "tools/call", params };
  const { hot, sdk, taken } = await ask({ body, headers: usual });
  expect(taken).toBe(true);
  const [mine, theirs] = [hot, sdk].map(
    ({ messages }) => JSON.parse(masked(JSON.stringify(messages))) as unknown,
  );
  expect(mine).toEqual(theirs);
  expect(mine).toMatchObject([
    capabilities === capable ? { error: { code: -32_042 } } : { result: { isError: true } },
  ]);
});
