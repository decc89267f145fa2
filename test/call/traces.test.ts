import { expect, onTestFinished, test, vi } from "vitest";
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
async function traced(
  more = "",
  baggage = "[]",
  env: Readonly<Record<string, string>> = {},
): Promise<{
  readonly at: World;
  readonly spans: () => Promise<readonly Span[]>;
  collector: Collector;
}> {
  const collector = await startCollector();
  const otlp = `{endpoint: "${collector.url}", headers: {X-Key: "\${CLIENT_SECRET}"} ${more}}`;
  const at = await world({
    spec,
    env,
    extra: { top: `telemetry: {otlp: ${otlp}, baggage: ${baggage}}` },
  });
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
    "auth.verify",
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

test("a token that has to be verified is a step of the first request that shows it", async () => {
  const { at, spans } = await traced();
  const headers = { authorization: `Bearer ${await at.idp.token()}` };
  await callAs(at, { traceparent: parent }, headers);
  await callAs(at, { traceparent: parent }, headers);
  const all = await spans();
  const [first, second] = all.filter(({ kind }) => kind === 2);
  const verified = all.filter(({ name }) => name === "auth.verify");
  expect(verified).toEqual([
    expect.objectContaining({
      kind: 1,
      traceId: first?.traceId,
      parentSpanId: first?.spanId,
      status: { code: 0 },
    }),
  ]);
  expect(BigInt(first?.startTimeUnixNano ?? 0)).toBe(BigInt(verified[0]?.startTimeUnixNano ?? 1));
  expect(second?.parentSpanId).toBe("b7ad6b7169203331");
});

test("who is not believed leaves a span of their own, without a word of theirs", async () => {
  const { at, spans } = await traced();
  const expired = await at.idp.token({ exp: 1 });
  const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
  const meta = { _meta: { traceparent: parent } };
  for (const token of [expired, "no-token-at-all"]) {
    const authorization = `Bearer ${token}`;
    expect((await at.post({ ...list, params: meta }, { authorization })).status).toBe(401);
  }
  const all = await spans();
  expect(all.map((span) => [span.name, span.status.code, valuesOf(span)])).toEqual([
    ["auth.verify", 2, { "error.type": "expired" }],
    ["auth.verify", 2, { "error.type": "malformed_token" }],
  ]);
  for (const { traceId, parentSpanId = "" } of all) {
    expect(traceId).not.toBe("0af7651916cd43dd8448eb211c80319c");
    expect(parentSpanId).toBe("");
  }
});

test("a flood of strangers leaves few spans, and those of calls have room", async () => {
  vi.useFakeTimers({ now: Date.now(), toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const { at, spans } = await traced();
  const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
  const flood = async (count: number): Promise<void> => {
    const sent = Array.from({ length: count }, (_, i) =>
      at.post(list, { authorization: `Bearer stranger-${i}` }),
    );
    for (const { status } of await Promise.all(sent)) expect(status).toBe(401);
  };
  await flood(80);
  await callAs(at, { traceparent: parent });
  vi.setSystemTime(Date.now() + 1_000);
  await flood(5);
  const all = await spans();
  const refused = all.filter(({ status }) => status.code === 2);
  expect(refused).toHaveLength(55);
  expect(all.filter(({ kind }) => kind === 2)).toHaveLength(1);
});

test.each<[string, object]>([
  ["the hot lane", { _meta: { traceparent: parent } }],
  // The hot lane takes nothing that it does not know.
  ["the SDK's lane", { _meta: { traceparent: parent }, more: 1 }],
])("a list of tools is a server span as well, by %s", async (_lane, params) => {
  const { at, spans } = await traced();
  const response = await at.post({ jsonrpc: "2.0", id: "l1", method: "tools/list", params });
  expect(await response.text()).toContain("get_order");
  const text = await at.auditText();
  const all = await spans();
  const server = all.find(({ kind }) => kind === 2);
  expect(server).toMatchObject({
    name: "tools/list",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    parentSpanId: "b7ad6b7169203331",
  });
  expect(valuesOf(server ?? { attributes: [] })).toEqual({
    "mcp.method.name": "tools/list",
    "jsonrpc.request.id": "l1",
    "network.transport": "tcp",
    "network.protocol.name": "http",
    "client.address": "127.0.0.1",
  });
  expect(all.filter(({ name }) => name === "auth.verify")).toHaveLength(1);
  const record = text.split("\n").find((line) => line.includes('"tool.list"')) ?? "{}";
  expect(JSON.parse(record)).toMatchObject({
    trace_id: server?.traceId,
    span_id: server?.spanId,
    list: { visible: 1, hidden: 0 },
  });
});

test("tracestate goes on with the trace, baggage by the names on the list", async () => {
  const { at, spans, collector } = await traced("", "[tenant, region]");
  const baggage = "tenant=acme;secret=1, userId=alice,region = eu%2Dwest , tenant2=x";
  await callAs(at, {
    traceparent: parent,
    tracestate: "congo=t61rcWkgMzE,  rojo@vendor=00f",
    baggage,
  });
  const headers = at.api.requests[0]?.headers ?? {};
  expect(headers["tracestate"]).toBe("congo=t61rcWkgMzE,rojo@vendor=00f");
  expect(headers["baggage"]).toBe("tenant=acme,region=eu%2Dwest");
  const all = await spans();
  const states = all.map((span) => (span as { traceState?: string }).traceState);
  expect(new Set(states)).toEqual(new Set(["congo=t61rcWkgMzE,rojo@vendor=00f"]));
  const sent = JSON.stringify(collector.taken);
  for (const word of ["acme", "userId", "alice"]) expect(sent).not.toContain(word);
});

test.each<[string, string, boolean]>([
  ["256 characters", "z".repeat(256), true],
  ["257 characters", "z".repeat(257), false],
  ["a tenant of 241 and a vendor of 14", `${"t".repeat(241)}@${"v".repeat(14)}`, true],
  ["a tenant of 242", `${"t".repeat(242)}@v`, false],
  ["a vendor of 15", `t@${"v".repeat(15)}`, false],
  ["two tenants", "t@u@v", false],
])("tracestate with a key of %s goes on or is left out", async (_what, key, isRight) => {
  const { at } = await traced();
  const tracestate = `congo=t,${key}=1`;
  await callAs(at, { traceparent: parent, tracestate });
  expect(at.api.requests[0]?.headers["tracestate"]).toBe(isRight ? tracestate : undefined);
});

test.each<[string, object]>([
  ["no list", { traceparent: parent, baggage: "tenant=acme" }],
  ["no parent", { tracestate: "congo=t" }],
  ["a member that is none", { traceparent: parent, tracestate: "congo=t,Rojo=1" }],
  ["a line of its own", { traceparent: parent, tracestate: "congo=t\r\nx: y" }],
  ["more than 32 members", { traceparent: parent, tracestate: "a=1,".repeat(33) }],
  [
    "more than 512 characters",
    { traceparent: parent, tracestate: `a=${"1".repeat(255)},`.repeat(3) },
  ],
  ["a number", { traceparent: parent, tracestate: 1, baggage: 1 }],
  ["nothing", { traceparent: parent, tracestate: " , ", baggage: "" }],
])("with %s neither goes on", async (_what, meta) => {
  const { at } = await traced();
  await callAs(at, meta);
  const { traceparent, tracestate, baggage } = at.api.requests[0]?.headers ?? {};
  expect(traceparent).toMatch(/-01$/);
  expect([tracestate, baggage]).toEqual([undefined, undefined]);
});

test.each([
  "tenant=a b",
  'tenant="a"',
  "tenant=a\r\nx: y",
  "tenant=\u00e9",
  "tenant",
  "=acme",
  `tenant=${"x".repeat(8_192)}`,
])("baggage %j has nothing that goes on", async (baggage) => {
  const { at } = await traced("", "[tenant]");
  await callAs(at, { traceparent: parent, baggage });
  expect(at.api.requests[0]?.headers["baggage"]).toBeUndefined();
});

test.each([
  { propagators: "tracecontext", goesOn: ["traceparent", "tracestate"], continues: true },
  { propagators: "b3, baggage", goesOn: ["baggage"], continues: false },
  { propagators: "none", goesOn: [], continues: false },
])(
  "with OTEL_PROPAGATORS=$propagators only $goesOn goes on",
  async ({ propagators, goesOn, continues }) => {
    const { at, spans } = await traced("", "[tenant]", { OTEL_PROPAGATORS: propagators });
    await callAs(at, { traceparent: parent, tracestate: "congo=t", baggage: "tenant=acme" });
    const headers = at.api.requests[0]?.headers ?? {};
    const names = ["traceparent", "tracestate", "baggage"];
    expect(names.filter((name) => headers[name] !== undefined)).toEqual(goesOn);
    const server = (await spans()).find(({ kind }) => kind === 2);
    expect(server?.traceId === "0af7651916cd43dd8448eb211c80319c").toBe(continues);
  },
);

test("what goes on of an unsampled trace is the same", async () => {
  const { at, spans } = await traced(", ratio: 0", "[tenant]");
  await callAs(at, { traceparent: parent, tracestate: "congo=t", baggage: "tenant=acme" });
  const { traceparent, tracestate, baggage } = at.api.requests[0]?.headers ?? {};
  expect(traceparent).toMatch(/-00$/);
  expect([tracestate, baggage]).toEqual(["congo=t", "tenant=acme"]);
  expect(await spans()).toEqual([]);
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

test("the variables of OpenTelemetry name a collector, and its headers even where they are not encoded", async () => {
  const collector = await startCollector();
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: "X-Key=a%20b, x-raw=50%off, none",
  };
  const at = await world({ spec, env });
  await at.call("get_order", { id: 7 });
  await at.gateway.close();
  expect(collector.taken[0]).toMatchObject({
    path: "/v1/traces",
    headers: { "x-key": "a b", "x-raw": "50%off" },
  });
});

test("a collector that is not there holds up no call and no end", async () => {
  const { at, spans, collector } = await traced();
  await collector.stop();
  await callAs(at, {});
  expect(await spans()).toEqual([]);
});

test("a share is a share of traces, whoever asks", () => {
  const tracer = { startSpan: () => unsampled } as unknown as Parameters<typeof createTracing>[0];
  const options = { ratio: 0.25, propagates: true, carries: true };
  const { startCall } = createTracing(tracer, options, { now: () => 0 });
  let kept = 0;
  for (let i = 0; i < 4_000; i++) {
    if (startCall(callOf(), traceOf().tool, 0).spanId === "s") kept++;
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
