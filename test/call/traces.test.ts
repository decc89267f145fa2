import { expect, test } from "vitest";
import { attributes } from "../../src/observe/traces/conventions.ts";
import { createTracing } from "../../src/observe/traces/tracing.ts";
import { callOf, traceOf } from "../observe/audit.ts";
import { startCollector } from "../observe/collector.ts";
import { answerJson } from "../world/api.ts";
import { world, type World } from "../world/world.ts";

const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
const spec = {
  paths: { "/orders/{id}": { get: { operationId: "get_order", parameters: [id] } } },
};

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client */
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code?: number; readonly message?: string };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface TraceExport {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

type Collector = Awaited<ReturnType<typeof startCollector>>;

/** The whole gateway with a collector, and every span that this got until the gateway closed. */
async function traced(more = ""): Promise<{
  readonly at: World;
  readonly spans: () => Promise<readonly Span[]>;
  collector: Collector;
}> {
  const collector = await startCollector();
  const otlp = `{endpoint: "${collector.url}", headers: {X-Key: "\${CLIENT_SECRET}"} ${more}}`;
  const at = await world({ spec, extra: { top: `telemetry: {otlp: ${otlp}}` } });
  at.api.answer = ({ path }, response) =>
    answerJson(response, { id: 7 }, path.endsWith("/500") ? 500 : 200);
  const spans = async (): Promise<readonly Span[]> => {
    await at.gateway.close();
    return collector.taken.flatMap(({ body }) =>
      (JSON.parse(body) as TraceExport).resourceSpans.flatMap(({ scopeSpans }) =>
        scopeSpans.flatMap((scope) => scope.spans),
      ),
    );
  };
  return { at, spans, collector };
}

function valuesOf({
  attributes: list,
}: Pick<Span, "attributes">): Readonly<Record<string, unknown>> {
  return Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]));
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const ambient = "00-11111111111111111111111111111111-2222222222222222-01";

async function callAs(
  at: World,
  meta: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const params = { name: "get_order", arguments: { id: 7 }, _meta: meta };
  const response = await at.post({ jsonrpc: "2.0", id: 17, method: "tools/call", params }, headers);
  expect(response.status).toBe(200);
  await response.text();
}

test("a call is a server span of the caller's trace, with its steps and its request inside", async () => {
  const { at, spans, collector } = await traced();
  await callAs(at, { traceparent: parent }, { traceparent: ambient });
  const [sent] = at.api.requests;
  const record = (await at.audit()).at(-1);
  const all = await spans();
  const server = all.find(({ kind }) => kind === 2);
  expect(server).toMatchObject({
    name: "tools/call get_order",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parentSpanId: "b7ad6b7169203331",
    links: [{ traceId: "1".repeat(32), spanId: "2".repeat(16) }],
    status: { code: 0 },
  });
  expect(valuesOf(server ?? { attributes: [] })).toEqual({
    "mcp.method.name": "tools/call",
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "get_order",
    "jsonrpc.request.id": "17",
    "network.transport": "tcp",
    "network.protocol.name": "http",
    "client.address": "127.0.0.1",
  });
  const inside = all.filter(({ parentSpanId }) => parentSpanId === server?.spanId);
  expect(inside.map(({ name }) => name).toSorted()).toEqual([
    "audit.commit",
    "policy.evaluate",
    "response.transform",
    "token.exchange",
    "upstream.request",
  ]);
  const client = inside.find(({ kind }) => kind === 3);
  const { host = "" } = sent?.headers ?? {};
  expect(valuesOf(client ?? { attributes: [] })).toEqual({
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "url.template": "/orders/{id}",
    "server.address": "127.0.0.1",
    "server.port": Number(host.split(":")[1]),
  });
  expect(sent?.headers["traceparent"]).toBe(`00-${server?.traceId}-${client?.spanId}-01`);
  expect(record).toMatchObject({ trace_id: server?.traceId, span_id: server?.spanId });
  for (const { startTimeUnixNano, endTimeUnixNano } of all) {
    expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
  }
  expect(collector.taken[0]).toMatchObject({
    path: "/v1/traces",
    headers: { "x-key": "client-secret", "content-type": "application/json" },
  });
});

test("what went wrong is told: a code, and never a text of somebody else", async () => {
  const { at, spans } = await traced();
  await at.call("get_order", { id: 500 });
  await expect(at.call("no_such_tool")).rejects.toMatchObject({ status: 200 });
  await at.call("get_order", { id: "x" });
  const all = await spans();
  const servers = all.filter(({ kind }) => kind === 2);
  expect(
    servers.map((span) => [span.name, span.status.code, valuesOf(span)["error.type"]]),
  ).toEqual([
    ["tools/call get_order", 2, "tool_error"],
    ["tools/call", 2, "-32602"],
    ["tools/call get_order", 2, "tool_error"],
  ]);
  expect(valuesOf(servers[1] ?? { attributes: [] })).toMatchObject({
    "rpc.response.status_code": "-32602",
  });
  const failed = all.find(({ kind }) => kind === 3);
  expect(valuesOf(failed ?? { attributes: [] })).toMatchObject({ "error.type": "500" });
  expect(JSON.stringify(all)).not.toContain("no_such_tool");
});

test("an unsampled trace is passed on and nothing of it is sent", async () => {
  const { at, spans } = await traced();
  await callAs(at, { traceparent: parent.replace(/01$/, "00") });
  const { traceparent = "" } = at.api.requests[0]?.headers ?? {};
  expect(traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
  expect(traceparent).not.toContain("b7ad6b7169203331");
  expect((await at.audit()).at(-1)).toMatchObject({ trace_id: "0af7651916cd43dd8448eb211c80319c" });
  expect(await spans()).toEqual([]);
});

test("a caller cannot make the gateway record more than its share", async () => {
  const { at, spans } = await traced(", ratio: 0");
  await callAs(at, { traceparent: parent });
  await callAs(at, {});
  expect(at.api.requests.map(({ headers }) => headers["traceparent"])).toEqual([
    expect.stringMatching(/-00$/),
    expect.stringMatching(/-00$/),
  ]);
  expect(await spans()).toEqual([]);
});

test.each([
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
  "x\r\ny: z",
  7,
])("%j is no parent", async (traceparent) => {
  const { at, spans } = await traced();
  await callAs(at, { traceparent, baggage: "secret=1", tracestate: "a=b" });
  const headers = at.api.requests[0]?.headers ?? {};
  expect(headers["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect([headers["baggage"], headers["tracestate"]]).toEqual([undefined, undefined]);
  const server = (await spans()).find(({ kind }) => kind === 2);
  expect(server?.parentSpanId ?? "").toBe("");
  expect(server?.traceId).not.toBe("0af7651916cd43dd8448eb211c80319c");
});

test("without telemetry no request says anything of traces", async () => {
  const at = await world({ spec });
  await callAs(at, { traceparent: parent }, { traceparent: ambient });
  expect(at.api.requests[0]?.headers["traceparent"]).toBeUndefined();
  expect((await at.audit()).at(-1)).not.toHaveProperty("trace_id");
});

test("a collector that is not there holds up no call and no end", async () => {
  const { at, spans, collector } = await traced();
  await collector.stop();
  await callAs(at, {});
  expect(await spans()).toEqual([]);
});

test("a share is a share of traces, whoever asks", () => {
  const tracer = { startSpan: () => unsampled } as unknown as Parameters<typeof createTracing>[0];
  const start = createTracing(tracer, { ratio: 0.25, propagates: true }, { now: () => 0 });
  let kept = 0;
  for (let i = 0; i < 4_000; i++) {
    if (start(callOf(), traceOf().tool, 0).spanId === "s") kept++;
  }
  expect(kept).toBeGreaterThan(800);
  expect(kept).toBeLessThan(1_200);
});

const unsampled = { spanContext: () => ({ traceId: "t", spanId: "s", traceFlags: 1 }) };

test("names are those of the conventions", () => {
  expect(Object.values(attributes).toSorted()).toEqual([
    "client.address",
    "error.type",
    "gen_ai.operation.name",
    "gen_ai.tool.name",
    "http.request.method",
    "http.request.resend_count",
    "http.response.status_code",
    "jsonrpc.request.id",
    "mcp.method.name",
    "mcp.protocol.version",
    "network.protocol.name",
    "network.transport",
    "rpc.response.status_code",
    "server.address",
    "server.port",
    "url.template",
  ]);
});
