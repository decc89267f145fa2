import { expect, test } from "vitest";
import { requestBytes, sendRaw } from "../http/raw.ts";
import { readRecords, type AuditRecord } from "../world/audit.ts";
import { world } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const modern = { "mcp-protocol-version": "2026-07-28" };
const envelope = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

interface Case {
  readonly what: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly records: readonly object[];
}

const rejected = (reason: string, more: object = {}): object => ({
  event: "request.reject",
  outcome: "denied",
  reason,
  actor: { sub: "alice" },
  ...more,
});

const request = (method: string, params: object = {}, id: number = 1): object => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});

const cases: readonly Case[] = [
  {
    what: "an unknown method of 2025",
    body: request("tools/paint"),
    records: [rejected("unknown_method", { mcp: { transport: "http", request_id: "1" } })],
  },
  {
    what: "an unknown method of 2026",
    body: request("tools/paint", { _meta: envelope }),
    headers: { ...modern, "mcp-method": "tools/paint" },
    records: [rejected("unknown_method")],
  },
  {
    what: "a header that says something else than the body",
    body: request("tools/list", { _meta: envelope }),
    headers: { ...modern, "mcp-method": "tools/call" },
    records: [rejected("header_mismatch")],
  },
  {
    what: "a version that nobody speaks",
    body: request("tools/list", {
      _meta: { ...envelope, "io.modelcontextprotocol/protocolVersion": "2031-01-01" },
    }),
    headers: { "mcp-protocol-version": "2031-01-01", "mcp-method": "tools/list" },
    records: [rejected("unsupported_protocol_version")],
  },
  { what: "what is no request", body: { hello: 1 }, records: [rejected("invalid_request")] },
  {
    what: "parameters of another form",
    body: request("tools/call", { name: 7 }),
    records: [rejected("invalid_params")],
  },
  {
    what: "an answer type that nobody sends",
    body: request("ping"),
    headers: { accept: "text/html" },
    records: [rejected("protocol_error")],
  },
  {
    what: "an unknown tool, which has its own record, on the SDK's lane",
    body: { ...request("tools/call", { name: "nothing", unusual: 1 }) },
    records: [{ event: "policy.deny", reason: "unknown_tool" }],
  },
  {
    what: "a batch of which one is good, one has its own refusal and one is unknown",
    body: [
      request("tools/call", { name: "list_orders" }, 1),
      request("tools/call", { name: "nothing" }, 2),
      request("tools/paint", {}, 3),
    ],
    records: [
      { event: "tool.call", outcome: "success" },
      { event: "policy.deny", reason: "unknown_tool" },
      rejected("unknown_method", { mcp: { transport: "http", request_id: "3" } }),
    ],
  },
];

test.each(cases)("$what has one record", async ({ body, headers, records }) => {
  const at = await world({ spec });
  const response = await at.post(body, headers);
  await response.text();
  const found = (await at.audit()).toSorted((a, b) => idOf(a).localeCompare(idOf(b)));
  expect(found).toMatchObject(records);
});

function idOf({ mcp }: AuditRecord): string {
  return (mcp as { readonly request_id?: string }).request_id ?? "";
}

test("what is no refusal has none", async () => {
  const at = await world({ spec });
  await at.post(request("ping"));
  await at.post({ jsonrpc: "2.0", method: "notifications/initialized" });
  expect(await at.audit()).toEqual([]);
});

test("a list is recorded with what it shows and hides", async () => {
  const at = await world({
    spec: {
      paths: {
        "/orders": { get: { operationId: "list_orders" }, post: { operationId: "add_order" } },
      },
    },
    tools: `- {operation: add_order, when: 'principal.sub == "bob"'}\n- match: {paths: ["/**"]}`,
  });
  await at.post(request("tools/list", {}, 7), { "user-agent": "curl/8" });
  const lists = readRecords(await at.auditText()).filter(({ event }) => event === "tool.list");
  expect(lists).toMatchObject([
    {
      outcome: "success",
      actor: { sub: "alice" },
      client: { ip: "127.0.0.1", ua: "curl/8" },
      mcp: { transport: "http", request_id: "7" },
      list: { visible: 1, hidden: 1 },
    },
  ]);
});

test("a path that is not served, and what is no HTTP, are recorded", async () => {
  const at = await world({ spec });
  await fetch(new URL("/admin", at.url));
  const bytes = requestBytes(at.url, { method: "POST", headers: ["x-a: b\nx-c: d"], body: "" });
  await sendRaw(at.url, bytes);
  expect(await at.audit()).toMatchObject([
    { event: "request.reject", reason: "not_found", client: { ip: "127.0.0.1" } },
    { event: "request.reject", reason: "malformed_http" },
  ]);
});

test("a flood of strangers is counted, and nobody's refusal is left out", async () => {
  const at = await world({ spec });
  const flood = Array.from({ length: 300 }, async () => {
    const response = await fetch(at.url, { method: "POST", body: "{}" });
    await response.text();
  });
  await Promise.all(flood);
  await at.gateway.close();
  const records = await at.audit();
  const told = records.reduce((sum, { count = 1 }) => sum + Number(count), 0);
  expect(told).toBe(300);
  expect(records.length).toBeLessThan(300);
  expect(new Set(records.map(({ reason }) => reason))).toEqual(new Set(["no_token"]));
});
