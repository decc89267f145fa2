import { expect, test } from "vitest";
import { createCancellation } from "../../src/base/cancel.ts";
import { pause } from "../../src/call/pause.ts";
import { compileRetry } from "../../src/upstream/retry.ts";
import { answerJson, type TestApi } from "../world/api.ts";
import { createRandom } from "../world/random.ts";
import { freePort, world, type World } from "../world/world.ts";

const order = { operationId: "get_order" };
const spec = {
  paths: {
    "/orders": {
      get: order,
      post: { operationId: "add_order" },
      put: { operationId: "put_order" },
      delete: { operationId: "remove_order" },
    },
  },
};

function shop(api = ""): Promise<World> {
  return world({ spec, credential: "none", extra: { api } });
}

/** Fails as many times as told, then answers. */
function failing(api: TestApi, times: number, how: number | "reset"): void {
  let left = times;
  api.answer = (_, response) => {
    if (left-- <= 0) answerJson(response, { ok: true });
    else if (how === "reset") response.socket?.resetAndDestroy();
    else answerJson(response, { detail: "later" }, how);
  };
}

const ok = { structuredContent: { ok: true } };

test.each([
  { id: "F04", tool: "get_order", how: "reset", api: "", sent: 2 },
  { id: "F04", tool: "add_order", how: "reset", api: "", sent: 1 },
  { id: "F04", tool: "put_order", how: "reset", api: "", sent: 1 },
  { id: "F04", tool: "put_order", how: "reset", api: "retry: {unsafe: true}", sent: 2 },
  { id: "F04", tool: "remove_order", how: "reset", api: "retry: {unsafe: true}", sent: 2 },
  { id: "F04", tool: "add_order", how: "reset", api: "retry: {unsafe: true}", sent: 1 },
  { id: "F04", tool: "add_order", how: "reset", api: "retry: {idempotencyKey: X-Key}", sent: 2 },
  { id: "F04", tool: "get_order", how: "reset", api: "retry: {attempts: 0}", sent: 1 },
  { id: "F16", tool: "get_order", how: 503, api: "", sent: 2 },
  { id: "F16", tool: "get_order", how: 429, api: "", sent: 2 },
  { id: "F16", tool: "get_order", how: 500, api: "", sent: 1 },
  { id: "F16", tool: "get_order", how: 404, api: "", sent: 1 },
  { id: "F16", tool: "add_order", how: 503, api: "", sent: 1 },
] as const)("$id: $tool after $how with {$api} is sent $sent times", async (row) => {
  const at = await shop(row.api);
  failing(at.api, 1, row.how);
  const result = await at.call(row.tool);
  expect(result).toMatchObject(row.sent === 2 ? ok : { isError: true });
  expect(at.api.requests).toHaveLength(row.sent);
  expect(await at.audit()).toMatchObject([{ upstream: { attempts: row.sent } }]);
});

test("an API that goes on failing is asked as often as told, and its last answer counts", async () => {
  const at = await shop("retry: {attempts: 2}");
  failing(at.api, 9, 503);
  expect(await at.call("get_order")).toMatchObject({ isError: true });
  expect(at.api.requests).toHaveLength(3);
  expect(await at.audit()).toMatchObject([
    { reason: "upstream_error", upstream: { status: 503, attempts: 3 } },
  ]);
});

test.each([401, 503])(
  "a call whose last attempt has no answer is not recorded with the %d of the one before",
  async (status) => {
    const port = await freePort();
    const extra = { api: "timeout: 800ms", top: `admin: {listen: "127.0.0.1:${port}"}` };
    const at = await world({ spec, extra });
    at.api.answer = (_, response) => {
      if (at.api.requests.length === 1) answerJson(response, {}, status);
    };
    expect(await at.call("get_order")).toMatchObject({ isError: true });
    expect(at.api.requests).toHaveLength(2);
    const [record] = await at.audit();
    expect(record).toMatchObject({ reason: "upstream_timeout", upstream: { attempts: 2 } });
    expect(record!["upstream"]).not.toHaveProperty("status");
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const [counted] = metrics.match(/^http_client_request_duration_seconds_count.*$/m) ?? [];
    expect(counted).toContain('http_request_method="GET",error_type="upstream_timeout"} 1');
  },
);

test("every attempt of a call has the same key, and every call its own", async () => {
  const at = await shop("retry: {idempotencyKey: X-Key}");
  failing(at.api, 1, 503);
  await at.call("add_order");
  await at.call("add_order");
  const keys = at.api.requests.map(({ headers }) => headers["x-key"]);
  expect(keys).toHaveLength(3);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[0]);
});

/** One more API, at another URL. */
function elsewhere(url: string): Promise<World> {
  const apis = `far:
  spec: spec.json
  url: "${url}"
  credential: none
  prefix: true
  tools: [{match: {paths: ["/**"]}}]`;
  return world({ spec, credential: "none", extra: { apis } });
}

test("F04: what nobody was there to take is sent again, whatever its method", async () => {
  const at = await elsewhere(`http://127.0.0.1:${await freePort()}`);
  expect(await at.call("far_add_order")).toMatchObject({ isError: true });
  expect(await at.audit()).toMatchObject([
    { reason: "upstream_unreachable", upstream: { attempts: 2 } },
  ]);
});

test("F17: a name that cannot be resolved is asked for once", async () => {
  const at = await elsewhere("http://nobody.invalid");
  expect(await at.call("far_get_order")).toMatchObject({ isError: true });
  expect(await at.audit()).toMatchObject([
    { reason: "upstream_unreachable", upstream: { attempts: 1 } },
  ]);
});

/** `npm run test:retries` asks for more. */
const asked = Number(process.env["CALLS"] ?? 200);
const atOnce = 100;

test.for([
  { share: 1, api: "breaker: false\n    retry: {attempts: 3}" },
  { share: 1, api: "breaker: false" },
  { share: 1, api: "" },
  { share: 0.3, api: "breaker: false\n    retry: {attempts: 3}" },
  { share: 0.3, api: "breaker: false" },
  { share: 0.3, api: "" },
])(
  `F26: an API that fails $share of ${asked} calls with {$api} sees at most 1.2 times as many requests`,
  { timeout: 20_000 + asked * 10 },
  async ({ share, api }, { annotate }) => {
    const top = `limits: {principalConcurrency: ${atOnce}}`;
    const at = await world({ spec, credential: "none", extra: { api, top } });
    const random = createRandom(20_261_126);
    let failed = 0;
    at.api.answer = (_, response) => {
      const fails = random(10) < share * 10;
      if (fails) failed++;
      answerJson(response, fails ? {} : { ok: true }, fails ? 503 : 200);
    };
    const authorization = `Bearer ${await at.idp.token()}`;
    const params = { name: "get_order", arguments: {} };
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
    let bad = 0;
    const call = async (): Promise<void> => {
      const text = await (await at.post(body, { authorization })).text();
      if (text.includes('"isError":true')) bad++;
    };
    let begun = 0;
    const caller = async (): Promise<void> => {
      while (begun++ < asked) await call();
    };
    await Promise.all(Array.from({ length: atOnce }, caller));
    const seen = at.api.requests.length;
    expect(seen).toBeLessThanOrEqual(1.2 * asked);
    // Each failure at the API was repeated, or told to who called, or both in turn.
    const [least, most] = share < 1 ? [0, failed - 1] : [asked, asked];
    expect(bad).toBeGreaterThanOrEqual(least);
    expect(bad).toBeLessThanOrEqual(most);
    const attempts = (await at.audit()).map(
      ({ upstream }) => (upstream as { attempts?: number } | undefined)?.attempts ?? 0,
    );
    expect(attempts.reduce((sum, next) => sum + next, 0)).toBe(seen);
    await annotate(`${seen} requests for ${asked} calls, ${failed} failed at the API`, "observed");
  },
);

test("F26: an API that always fails is soon left alone, and callers are told at once", async () => {
  const at = await shop("");
  at.api.answer = (_, response) => answerJson(response, {}, 503);
  for (let i = 0; i < 60; i++) await at.call("get_order");
  expect(at.api.requests.length).toBeLessThanOrEqual(25);
  const refused = await at.call("get_order");
  expect(refused.content[0]?.text).toMatch(/does not work at the moment.*after \d+ seconds/);
  expect((await at.audit()).at(-1)).toMatchObject({ outcome: "failure", reason: "breaker_open" });
  expect(at.logs.join("")).toContain('"state":"open"');
});

interface Clocked {
  readonly now: number;
  readonly header: string;
  readonly leftMs?: number;
  readonly waits: number | undefined;
}

// F16: with a clock that stands still, the wait is exact.
test.each<Clocked>([
  { now: 0, header: "2", waits: 2_000 },
  { now: 0, header: "5", waits: 5_000 },
  { now: 0, header: "6", waits: undefined },
  { now: 0, header: "999999999", waits: undefined },
  { now: 0, header: "soon", waits: 275 },
  { now: 0, header: "-1", waits: 275 },
  { now: 0, header: "0", waits: 275 },
  { now: 0, header: "2", leftMs: 1_999, waits: undefined },
  { now: 784_111_774_000, header: "Sun, 06 Nov 1994 08:49:37 GMT", waits: 3_000 },
  { now: 784_111_777_000, header: "Sun, 06 Nov 1994 08:49:37 GMT", waits: 275 },
  { now: 784_111_000_000, header: "Sun, 06 Nov 1994 08:49:37 GMT", waits: undefined },
])("F16: Retry-After: $header waits $waits ms", ({ now, header, leftMs = 30_000, waits }) => {
  const retry = compileRetry(
    "GET",
    { attempts: 1, unsafe: false, idempotencyKey: undefined },
    {
      now: () => now,
      random: () => 0.5,
      budget: { earn: () => {}, spend: () => true },
      onRetry: () => {},
      onExhausted: () => {},
    },
  );
  const headers = new Map([["retry-after", header]]);
  expect(retry?.waitMs({ status: 503, headers, body: Buffer.alloc(0) }, 1, leftMs)).toBe(waits);
});

test("nobody who has gone is waited for", async () => {
  const cancel = createCancellation();
  const waiting = pause(60_000, cancel);
  cancel.cancel();
  await expect(waiting).rejects.toThrow(expect.objectContaining({ code: "cancelled" }));
});
