import { expect, test } from "vitest";
import { world, type World } from "../world/world.ts";
import { answerAsShop, shop } from "./shop.ts";
import { call, legacy, modern, send, type Answer, type Headers, type Posted } from "./wire.ts";

const meta = {
  "io.modelcontextprotocol/serverInfo": { name: "tollgate", version: "0.0.0-test" },
};
const label = { "dev.tollgate/untrusted": true };
const tool = "get_order";

interface Shop extends World {
  readonly ask: (posted: Posted, headers?: Headers) => Promise<Answer>;
}

async function shopWorld(): Promise<Shop> {
  const made = await world(shop);
  made.api.answer = answerAsShop;
  return {
    ...made,
    async ask({ body, headers }, more = {}) {
      const authorization = `Bearer ${await made.idp.token()}`;
      return send(made.url, body, { ...headers, ...more, authorization });
    },
  };
}

/** What the answers of one tool look like to either era. */
const shapes = [
  {
    name: "get_order",
    args: { id: 7 },
    text: '{"id":7,"note":"a \\"quoted\\" ☃","path":"/orders/7"}',
    legacy: { id: 7, note: 'a "quoted" ☃', path: "/orders/7" },
    modern: { id: 7, note: 'a "quoted" ☃', path: "/orders/7" },
  },
  {
    name: "list_orders",
    args: {},
    text: '[{"id":1},{"id":2}]',
    legacy: { result: [{ id: 1 }, { id: 2 }] },
    modern: [{ id: 1 }, { id: 2 }],
  },
  { name: "count_orders", args: {}, text: "2", legacy: { result: 2 }, modern: 2 },
];

test.each(shapes)("a result of $name has exactly this form", async (shape) => {
  const { ask } = await shopWorld();
  const content = [{ type: "text", text: shape.text }];
  const now = await ask(modern("tools/call", call(shape.name, shape.args), "x"));
  expect(now.messages).toEqual([
    {
      jsonrpc: "2.0",
      id: "x",
      result: {
        resultType: "complete",
        content,
        structuredContent: shape.modern,
        _meta: { ...meta, ...label },
      },
    },
  ]);
  const before = await ask(legacy("tools/call", call(shape.name, shape.args), 3));
  expect(before.messages).toEqual([
    { jsonrpc: "2.0", id: 3, result: { content, structuredContent: shape.legacy, _meta: label } },
  ]);
});

test("text is text, and an error says so in either era", async () => {
  const { ask } = await shopWorld();
  const note = await ask(modern("tools/call", call("read_note")));
  expect(note.messages[0]?.result).toEqual({
    resultType: "complete",
    content: [{ type: "text", text: "Remember the milk — ☃" }],
    _meta: { ...meta, ...label },
  });
  const fault = await ask(modern("tools/call", call("find_fault")));
  expect(fault.messages[0]?.result).toMatchObject({
    resultType: "complete",
    isError: true,
    _meta: { ...meta, ...label },
  });
  const before = await ask(legacy("tools/call", call("find_fault")));
  expect(Object.keys(before.messages[0]?.result ?? {})).not.toContain("resultType");
});

test("S75: a list says how long and for whom it holds, and is the same bytes every time", async () => {
  const { ask } = await shopWorld();
  const first = await ask(modern("tools/list"));
  const { tools, ...rest } = first.messages[0]?.result ?? {};
  expect(rest).toEqual({
    resultType: "complete",
    ttlMs: 300_000,
    cacheScope: "private",
    _meta: meta,
  });
  const names = (tools as { readonly name: string }[]).map(({ name }) => name);
  expect(names).toEqual(names.toSorted());
  expect(names).not.toContain("read_secrets");
  expect(names).toContain("write_order");
  expect((await ask(modern("tools/list"))).text).toBe(first.text);
  const before = await ask(legacy("tools/list"));
  expect(before.messages[0]?.result).toEqual({ tools });
});

test("server/discover tells revision and capabilities", async () => {
  const { ask } = await shopWorld();
  const { status, messages } = await ask(modern("server/discover"));
  expect(status).toBe(200);
  expect(messages[0]?.result).toEqual({
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: { listChanged: true } },
    ttlMs: 300_000,
    cacheScope: "public",
    _meta: meta,
  });
});

test.each([
  { asked: "2025-11-25", agreed: "2025-11-25" },
  { asked: "2025-06-18", agreed: "2025-06-18" },
  { asked: "2025-03-26", agreed: "2025-03-26" },
  { asked: "2024-11-05", agreed: "2024-11-05" },
  { asked: "2026-07-28", agreed: "2025-11-25" },
  { asked: "1999-01-01", agreed: "2025-11-25" },
])("initialize for $asked agrees on $agreed, without a session", async ({ asked, agreed }) => {
  const { ask } = await shopWorld();
  const clientInfo = { name: "c", version: "1" };
  const { status, headers, messages } = await ask(
    legacy("initialize", { protocolVersion: asked, capabilities: {}, clientInfo }),
  );
  expect(status).toBe(200);
  expect(headers["mcp-session-id"]).toBeUndefined();
  expect(messages[0]?.result).toEqual({
    protocolVersion: agreed,
    capabilities: { tools: { listChanged: false } },
    serverInfo: { name: "tollgate", version: "0.0.0-test" },
  });
});

test.each([
  {
    title: "a notification of 2025",
    posted: { body: { jsonrpc: "2.0", method: "notifications/initialized" }, headers: {} },
  },
  {
    title: "a cancellation of 2025",
    posted: {
      body: { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } },
      headers: {},
    },
  },
  {
    title: "a notification of 2026",
    posted: {
      body: { jsonrpc: "2.0", method: "notifications/something" },
      headers: { "mcp-protocol-version": "2026-07-28", "mcp-method": "notifications/something" },
    },
  },
])("$title is accepted with 202 and nothing else", async ({ posted }) => {
  const { ask } = await shopWorld();
  const { status, text } = await ask(posted);
  expect(status).toBe(202);
  expect(text).toBe("");
});

test.each([
  { title: "as base64", name: `=?base64?${Buffer.from(tool).toString("base64")}?=` },
  { title: "with blanks around it", name: `  ${tool}\t` },
])("Mcp-Name may come $title", async ({ name }) => {
  const { ask } = await shopWorld();
  const { status, messages } = await ask(modern("tools/call", call(tool, { id: 7 })), {
    "mcp-name": name,
  });
  expect(status).toBe(200);
  expect(messages[0]?.result).toMatchObject({ structuredContent: { id: 7 } });
});

test.each([0, -1, "", "0", 'a"b', Number.MAX_SAFE_INTEGER])(
  "id %j comes back as it is",
  async (id) => {
    const { ask } = await shopWorld();
    for (const request of [legacy, modern]) {
      const { messages } = await ask(request("tools/call", call("list_orders"), id));
      expect(messages[0]?.id).toBe(id);
      const refused = await ask(request("tools/call", call("no_such_tool"), id));
      expect(refused.messages[0]?.id).toBe(id);
    }
  },
);

test("S77: a session header of a client is ignored", async () => {
  const { ask } = await shopWorld();
  for (const request of [legacy, modern]) {
    const { status, headers } = await ask(request("tools/list"), { "mcp-session-id": "abc" });
    expect(status).toBe(200);
    expect(headers["mcp-session-id"]).toBeUndefined();
  }
});

test("nothing of the protocol's headers reaches the API", async () => {
  const { ask, api } = await shopWorld();
  await ask(modern("tools/call", call("list_orders")), { cookie: "a=b", "mcp-param-x": "1" });
  const names = Object.keys(api.requests[0]?.headers ?? {});
  expect(names.filter((name) => name.startsWith("mcp-") || name === "cookie")).toEqual([]);
});
