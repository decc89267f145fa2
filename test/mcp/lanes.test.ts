import { expect, test } from "vitest";
import { answerJson } from "../world/api.ts";
import { lanes } from "./lanes.ts";
import { call, eras, type Posted } from "./wire.ts";

const requests: readonly (readonly [string, string, Readonly<Record<string, unknown>>?])[] = [
  ["a list", "tools/list"],
  ["an object", "tools/call", call("get_order", { id: 7 })],
  ["an array", "tools/call", call("list_orders")],
  ["a number", "tools/call", call("count_orders")],
  ["text", "tools/call", call("read_note")],
  ["nothing", "tools/call", call("start_import")],
  ["an error of the API", "tools/call", call("find_fault")],
  ["no arguments member", "tools/call", { name: "list_orders" }],
  ["missing arguments", "tools/call", call("get_order")],
  ["an argument of a wrong type", "tools/call", call("get_order", { id: "seven" })],
  ["an argument nobody knows", "tools/call", call("list_orders", { page: 2 })],
  ["an unknown tool", "tools/call", call("no_such_tool")],
  ["a tool that policy hides", "tools/call", call("read_secrets")],
  ["a name of Object.prototype", "tools/call", call("constructor")],
  ["a name without letters", "tools/call", call("")],
];

const cases = eras.flatMap(({ era, request }) =>
  requests.map(([title, method, params]) => ({
    era,
    title,
    posted: request(method, params, "a-1"),
  })),
);

test.each(cases)("both lanes answer the same to $era: $title", async ({ posted }) => {
  const { ask, world } = await lanes();
  const { hot, sdk, taken } = await ask(posted);
  expect(taken).toBe(true);
  expect(hot.status).toBe(200);
  expect(sdk.status).toBe(200);
  expect(hot.messages).toHaveLength(1);
  expect(hot.messages).toEqual(sdk.messages);
  const [first, second] = await twoRecords(world.audit);
  expect(first).toEqual(second);
});

test.each(eras)("an id that is no ASCII comes back as it was, to $era", async ({ request }) => {
  const { ask, world } = await lanes();
  const answer = { name: "Größe ☃ 🎓" };
  world.api.answer = (_, response) => answerJson(response, answer);
  const id = "größe ☃ 🎓";
  const { hot, sdk, taken } = await ask(request("tools/call", call("get_order", { id: 7 }), id));
  expect(taken).toBe(true);
  expect(hot.messages).toEqual(sdk.messages);
  expect(hot.messages).toMatchObject([{ id, result: { structuredContent: answer } }]);
});

test.each(eras)("both lanes cut a long answer alike to $era", async ({ request }) => {
  const { ask, world } = await lanes();
  const rows = Array.from({ length: 3_000 }, (_, id) => ({
    id,
    note: 'a "quoted" ☃ \\ long \u0001',
  }));
  world.api.answer = (_, response) => answerJson(response, rows);
  const { hot, sdk, taken } = await ask(request("tools/call", call("list_orders"), "a-1"));
  expect(taken).toBe(true);
  expect(hot.messages).toEqual(sdk.messages);
  const result = hot.messages[0]?.result as { content: readonly [{ text: string }] };
  expect(result).not.toHaveProperty("structuredContent");
  const { items, _truncated } = JSON.parse(result.content[0].text) as {
    readonly items: readonly unknown[];
    readonly _truncated: object;
  };
  expect(items).toEqual(rows.slice(0, items.length));
  expect(_truncated).toMatchObject({ returned: items.length, total: rows.length });
});

const answers: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ["an object", call("get_order", { id: 7 })],
  ["an array", call("list_orders")],
  ["text", call("read_note")],
  ["nothing", call("start_import")],
  ["an error of the API", call("find_fault")],
];

test.each(
  eras.flatMap(({ era, request }) =>
    answers.map(([title, params]) => ({ era, title, posted: request("tools/call", params) })),
  ),
)(
  "S67: what an API says is marked as untrusted on both lanes to $era: $title",
  async ({ posted }) => {
    const { ask } = await lanes();
    const { hot, sdk } = await ask(posted);
    for (const { messages } of [hot, sdk])
      expect(messages[0]?.result).toMatchObject({ _meta: { "dev.tollgate/untrusted": true } });
  },
);

test.each(eras)(
  "S67: what the gateway itself says is not marked on either lane to $era",
  async ({ request }) => {
    const { ask, world } = await lanes();
    const own = [call("get_order"), call("list_orders", { page: 2 })];
    const replies = await Promise.all(
      own.map(async (params) => ask(request("tools/call", params))),
    );
    world.api.answer = (_, response) => void response.socket?.destroy();
    replies.push(await ask(request("tools/call", call("list_orders"))));
    for (const { text } of replies.flatMap(({ hot, sdk }) => [hot, sdk])) {
      expect(text).toContain('"isError":true');
      expect(text).not.toContain("untrusted");
    }
  },
);

/** Audit records of the same call through both lanes, without what differs between any two. */
async function twoRecords(
  audit: () => Promise<Readonly<Record<string, unknown>>[]>,
): Promise<readonly unknown[]> {
  const records = await audit();
  return records.map(({ event, outcome, reason, tool }) => ({ event, outcome, reason, tool }));
}

test.each(eras)("a missing scope is a 403 on both lanes to $era", async ({ request }) => {
  const { ask, world } = await lanes();
  const { hot, sdk, taken } = await ask(request("tools/call", call("cancel_order", { id: 7 })));
  expect(taken).toBe(true);
  for (const { status, headers } of [hot, sdk]) {
    expect(status).toBe(403);
    expect(headers["www-authenticate"]).toBe(
      `Bearer error="insufficient_scope", resource_metadata="${world.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")}", scope="mcp:tools orders:write orders:admin"`,
    );
  }
  expect(hot.text).toBe(sdk.text);
  expect(world.api.requests).toEqual([]);
  expect(await world.audit()).toMatchObject([
    { event: "policy.deny", reason: "insufficient_scope", tool: { name: "cancel_order" } },
    { event: "policy.deny", reason: "insufficient_scope", tool: { name: "cancel_order" } },
  ]);
});

test.each(eras)("progress is told the same way on both lanes to $era", async ({ request }) => {
  const { ask, world } = await lanes();
  world.api.answer = (_, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.write('{"progress":1,"total":3,"message":"one"}\n{"progress":2}\n');
    response.end('{"progress":2}\n{"imported":40}\n');
  };
  const posted = request("tools/call", { name: "import_orders", _meta: { progressToken: "t" } });
  const { hot, sdk, taken } = await ask(posted);
  expect(taken).toBe(true);
  expect(hot.headers["content-type"]).toBe("text/event-stream");
  expect(hot.messages).toEqual(sdk.messages);
  expect(hot.messages.map(({ params }) => params?.["progress"])).toEqual([1, 2, undefined]);
});

/** Well-formed, but so seldom that the hot lane leaves them to the SDK. */
const unusual: readonly (Posted & { readonly title: string })[] = eras.flatMap(
  ({ era, request }) => [
    { title: `${era}: a first page asked for by cursor`, ...request("tools/list", { cursor: "" }) },
    { title: `${era}: an unknown member of params`, ...request("tools/list", { x: 1 }) },
    {
      title: `${era}: arguments that are no object`,
      ...request("tools/call", { name: "list_orders", arguments: null }),
    },
    { title: `${era}: no name`, ...request("tools/call", { arguments: {} }) },
    { title: `${era}: an unknown method`, ...request("tools/explode") },
  ],
);

test.each(unusual)(
  "what the hot lane leaves alone is answered by the SDK: $title",
  async (posted) => {
    const { ask } = await lanes();
    const { hot, sdk, taken } = await ask(posted);
    expect(taken).toBe(false);
    expect(hot.status).toBe(sdk.status);
    expect(hot.messages).toEqual(sdk.messages);
  },
);
