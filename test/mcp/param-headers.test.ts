import { expect, test } from "vitest";
import { lanes } from "./lanes.ts";
import { call, legacy, modern, type Headers } from "./wire.ts";

const query = (name: string, type: string): object => ({
  name,
  in: "query",
  schema: { type },
});

const regional = {
  spec: {
    paths: {
      "/orders": {
        get: {
          operationId: "find_orders",
          parameters: [
            query("region", "string"),
            query("limit", "integer"),
            query("open", "boolean"),
            query("note", "string"),
          ],
          responses: { 200: { description: "ok", content: { "application/json": {} } } },
        },
      },
      "/secrets": {
        get: {
          operationId: "read_secrets",
          parameters: [query("region", "string")],
          responses: { 200: { description: "ok", content: { "application/json": {} } } },
        },
      },
    },
  },
  tools: `- operation: find_orders
  args:
    region: {header: Region}
    limit: {header: Limit}
    open: {name: isOpen, header: Open}
- operation: read_secrets
  when: principal.claims.role == "admin"
  args: {region: {header: Region}}`,
};

const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString("base64")}?=`;

test.each<{ args: object; headers: Headers }>([
  { args: { region: "eu" }, headers: { "mcp-param-region": "eu" } },
  { args: { region: "eu" }, headers: { "mcp-param-region": base64("eu") } },
  { args: { region: "Zürich ☃" }, headers: { "mcp-param-region": base64("Zürich ☃") } },
  { args: { region: "eu" }, headers: { "MCP-PARAM-REGION": "  eu " } },
  { args: { limit: 42 }, headers: { "mcp-param-limit": "42" } },
  { args: { limit: 42 }, headers: { "mcp-param-limit": "42.0" } },
  { args: { isOpen: false }, headers: { "mcp-param-open": "false" } },
  { args: { note: "no header" }, headers: {} },
  { args: {}, headers: { "mcp-param-region": "ignored" } },
])("$args with $headers is served on both lanes", async ({ args, headers }) => {
  const { ask, world } = await lanes(regional);
  const posted = modern("tools/call", call("find_orders", args as Record<string, unknown>), 5);
  const { hot, sdk, taken } = await ask(posted, headers);
  expect(taken).toBe(true);
  expect([hot.status, sdk.status]).toEqual([200, 200]);
  expect(hot.messages).toEqual(sdk.messages);
  expect(world.api.requests).toHaveLength(2);
});

test.each<{ args: object; headers: Headers; header?: string; says: string }>([
  {
    args: { region: "eu" },
    headers: {},
    says: 'region="eu" but the Mcp-Param-region header is abs',
  },
  { args: { region: "eu" }, headers: { "mcp-param-region": "us" }, says: 'says "us"' },
  { args: { region: "eu" }, headers: { "mcp-param-region": "EU" }, says: 'says "EU"' },
  {
    args: { region: "eu" },
    headers: { "mcp-param-region": "=?base64?ZXU?=" },
    says: "is no canonical Base64",
  },
  {
    args: { region: "eu" },
    headers: { "mcp-param-region": "=?base64?/w==?=" },
    says: "is no canonical Base64",
  },
  {
    args: { region: "=?base64?ZXU=?=" },
    headers: { "mcp-param-region": "=?base64?ZXU=?=" },
    says: 'says "eu"',
  },
  { args: { limit: 42 }, headers: { "mcp-param-limit": "0x2a" }, says: 'says "0x2a"' },
  { args: { isOpen: true }, headers: { "mcp-param-open": "1" }, says: 'says "1"' },
])("S30: $args with $headers is refused on both lanes", async ({ args, headers, says }) => {
  const { ask, world } = await lanes(regional);
  const posted = modern("tools/call", call("find_orders", args as Record<string, unknown>), 5);
  const { hot, sdk, taken } = await ask(posted, headers);
  expect(taken).toBe(true);
  expect([hot.status, sdk.status]).toEqual([400, 400]);
  expect(hot.messages).toEqual(sdk.messages);
  const [message] = hot.messages;
  expect(message).toMatchObject({ id: 5, error: { code: -32020 } });
  const data = message?.error?.data as { readonly mismatch: { readonly body: string } };
  expect(data.mismatch).toEqual({
    header: expect.stringMatching(/^Mcp-Param-/) as string,
    body: expect.stringContaining(says) as string,
  });
  expect(message?.error?.message).toContain(data.mismatch.body);
  expect(world.api.requests).toEqual([]);
});

test("a client of 2025 is asked for no header", async () => {
  const { ask } = await lanes(regional);
  const { hot, sdk } = await ask(legacy("tools/call", call("find_orders", { region: "eu" })));
  expect([hot.status, sdk.status]).toEqual([200, 200]);
});

test("a hidden tool answers as one that does not exist, whatever its headers", async () => {
  const { ask } = await lanes(regional);
  const posted = modern("tools/call", call("read_secrets", { region: "eu" }));
  const { hot, sdk } = await ask(posted);
  expect(hot.messages).toMatchObject([{ error: { code: -32602 } }]);
  expect(sdk.messages).toEqual(hot.messages);
});

test("the list tells clients which arguments to repeat", async () => {
  const { ask } = await lanes(regional);
  const { hot } = await ask(modern("tools/list"));
  const published = { string: "Region", integer: "Limit", boolean: "Open" };
  const [region, limit, isOpen] = Object.entries(published).map(([type, name]) => ({
    type,
    "x-mcp-header": name,
  }));
  const properties = { region, limit, isOpen, note: { type: "string" } };
  expect(hot.messages).toMatchObject([{ result: { tools: [{ inputSchema: { properties } }] } }]);
});
