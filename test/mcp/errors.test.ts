import { describe, expect, test } from "vitest";
import { world, type World } from "../world/world.ts";
import { answerAsShop, shop } from "./shop.ts";
import { call, envelope, eras, legacy, modern, send, type Headers } from "./wire.ts";

interface Case {
  readonly title: string;
  readonly body: unknown;
  readonly headers?: Headers;
  readonly status: number;
  readonly code?: number;
  readonly id?: string | number | null;
  readonly data?: unknown;
}

const ping = legacy("ping").body;
const list = modern("tools/list");
const order = modern("tools/call", call("get_order", { id: 7 }), 5);
const noVersion = { "io.modelcontextprotocol/clientCapabilities": {} };
const noCapabilities = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };

function posted(title: string, given: { body: unknown; headers: Headers }): Omit<Case, "status"> {
  return { title, ...given };
}

function withMeta(meta: object): { body: unknown; headers: Headers } {
  return {
    body: { jsonrpc: "2.0", id: 5, method: "tools/list", params: { _meta: meta } },
    headers: list.headers,
  };
}

const bothEras: readonly Case[] = eras.flatMap(({ era, request }): Case[] => [
  {
    ...posted(`${era}: no JSON`, { body: '{"jsonrpc":', headers: request("ping").headers }),
    status: 400,
    code: -32700,
    id: null,
  },
  {
    ...posted(`${era}: no JSON-RPC version`, {
      body: { ...request("tools/list").body, jsonrpc: "1.0" },
      headers: request("tools/list").headers,
    }),
    status: 400,
    code: -32600,
  },
  ...[null, 1.5, 2 ** 53, {}, [], true].map((id) => ({
    ...posted(`${era}: id ${JSON.stringify(id)}`, {
      body: { ...request("tools/list").body, id },
      headers: request("tools/list").headers,
    }),
    status: 400,
    code: -32600,
  })),
  {
    ...posted(`${era}: an empty batch`, { body: [], headers: request("ping").headers }),
    status: 400,
    code: -32600,
  },
  {
    ...posted(`${era}: a JSON text`, { body: '"tools/list"', headers: request("ping").headers }),
    status: 400,
    code: -32600,
  },
  {
    ...posted(`${era}: tools/call without a name`, request("tools/call", { arguments: {} }, 5)),
    status: 200,
    code: -32602,
    id: 5,
  },
  ...[null, [], "x"].map((args) => ({
    ...posted(
      `${era}: arguments ${JSON.stringify(args)}`,
      request("tools/call", { name: "get_order", arguments: args }, 5),
    ),
    status: 200,
    code: -32602,
    id: 5,
  })),
  {
    ...posted(`${era}: a cursor nobody gave out`, request("tools/list", { cursor: "zzz" }, 5)),
    status: 200,
    code: -32602,
    id: 5,
  },
]);

const legacyOnly: readonly Case[] = [
  ...[undefined, "*/*", "application/json", "text/event-stream"].map((accept) => ({
    ...posted(`2025: Accept ${accept}`, { body: ping, headers: { accept } }),
    status: 406,
  })),
  {
    ...posted("2025: a version nobody speaks", {
      body: ping,
      headers: { "mcp-protocol-version": "2024-01-01" },
    }),
    status: 400,
  },
  {
    ...posted("2025: an unknown method", legacy("tools/explode", {}, 5)),
    status: 200,
    code: -32601,
    id: 5,
  },
  {
    ...posted("2025: initialize with a header of 2026", {
      body: legacy("initialize", {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "c", version: "1" },
      }).body,
      headers: { "mcp-protocol-version": "2026-07-28" },
    }),
    status: 400,
    code: -32020,
  },
];

const modernOnly: readonly Case[] = [
  {
    ...posted("2026: an unknown method", modern("tools/explode", {}, 5)),
    status: 404,
    code: -32601,
    id: 5,
  },
  ...["ping", "logging/setLevel", "initialize", "resources/list"].map((method) => ({
    ...posted(`2026: ${method}`, modern(method, {}, 5)),
    status: 404,
    code: -32601,
    id: 5,
  })),
  {
    ...posted("2026: a batch", { body: [list.body], headers: list.headers }),
    status: 400,
    code: -32600,
  },
  {
    ...posted("2026: no envelope at all", {
      body: legacy("tools/list").body,
      headers: list.headers,
    }),
    status: 400,
    code: -32602,
  },
  {
    ...posted("2026: no version in the envelope", withMeta(noVersion)),
    status: 400,
    code: -32602,
  },
  {
    ...posted("2026: no capabilities in the envelope", withMeta(noCapabilities)),
    status: 400,
    code: -32602,
    data: { envelope: expect.anything() },
  },
  {
    ...posted(
      "2026: capabilities that are no object",
      withMeta({ ...envelope, "io.modelcontextprotocol/clientCapabilities": "all" }),
    ),
    status: 400,
    code: -32602,
    data: { envelope: expect.anything() },
  },
  {
    ...posted(
      "2026: client info without a version",
      withMeta({ ...envelope, "io.modelcontextprotocol/clientInfo": { name: "c" } }),
    ),
    status: 400,
    code: -32602,
    data: { envelope: expect.anything() },
  },
  {
    ...posted("2026: a revision of the future", {
      ...withMeta({ ...envelope, "io.modelcontextprotocol/protocolVersion": "2099-01-01" }),
      headers: { ...list.headers, "mcp-protocol-version": "2099-01-01" },
    }),
    status: 400,
    code: -32022,
    id: 5,
    data: { supported: ["2026-07-28"], requested: "2099-01-01" },
  },
  ...Object.entries({
    "mcp-protocol-version": [undefined, "2025-11-25"],
    "mcp-method": [undefined, "tools/list", "TOOLS/CALL"],
    "mcp-name": [undefined, "list_orders", "GET_ORDER", "=?base64?%%%?=", "=?base64?/w==?="],
  }).flatMap(([name, values]) =>
    values.map((value) => ({
      ...posted(`2026: ${name} ${value}`, {
        body: order.body,
        headers: { ...order.headers, [name]: value },
      }),
      status: 400,
      code: -32020,
      id: 5,
      data: { mismatch: { header: expect.anything(), body: expect.anything() } },
    })),
  ),
];

test.each([...bothEras, ...legacyOnly, ...modernOnly])(
  "$title is answered with $status $code",
  async ({ body, headers, status, code, id, data }) => {
    const made = await shopWorld();
    const authorization = `Bearer ${await made.idp.token()}`;
    const answer = await send(made.url, body, { ...headers, authorization });
    expect(answer.status).toBe(status);
    expect(answer.headers["mcp-session-id"]).toBeUndefined();
    const [message] = answer.messages;
    // What a case leaves out is not its matter.
    const wanted = {
      code: code ?? message?.error?.code,
      id: id === undefined ? message?.id : id,
      data: data ?? message?.error?.data,
    };
    const { code: got, data: details } = message?.error ?? {};
    expect({ code: got, id: message?.id, data: details }).toEqual(wanted);
    expect(made.api.requests).toEqual([]);
  },
);

describe.each(eras)("to a client of $era", ({ request }) => {
  test("an unknown tool and a hidden one are told in the same words", async () => {
    const made = await shopWorld();
    const authorization = `Bearer ${await made.idp.token()}`;
    const texts = [];
    for (const name of ["no_such_tool", "read_secrets"]) {
      const { body, headers } = request("tools/call", call(name));
      const { status, messages } = await send(made.url, body, { ...headers, authorization });
      expect(status).toBe(200);
      expect(messages[0]?.error?.code).toBe(-32602);
      texts.push(messages[0]?.error?.message.replace(name, "<name>"));
    }
    expect(new Set(texts).size).toBe(1);
  });

  test.each([
    { title: "bad arguments", name: "get_order", args: { id: "x" }, says: /^Invalid arguments:/ },
    { title: "an answer 404", name: "find_fault", args: {}, says: /404[\s\S]*never placed/ },
  ])("$title are a result the model can read", async ({ name, args, says }) => {
    const made = await shopWorld();
    const { body, headers } = request("tools/call", call(name, args));
    const authorization = `Bearer ${await made.idp.token()}`;
    const { status, messages } = await send(made.url, body, { ...headers, authorization });
    expect(status).toBe(200);
    expect(messages[0]?.result).toMatchObject({
      content: [{ type: "text", text: expect.stringMatching(says) as string }],
      isError: true,
    });
  });

  test("an API that is down is a result without its address", async () => {
    const made = await shopWorld();
    made.api.close();
    const { body, headers } = request("tools/call", call("list_orders"));
    const authorization = `Bearer ${await made.idp.token()}`;
    const { status, messages, text } = await send(made.url, body, { ...headers, authorization });
    expect(status).toBe(200);
    expect(messages[0]?.result).toMatchObject({ isError: true });
    expect(text).not.toMatch(/127\.0\.0\.1|ECONN/);
  });

  test("without a token nothing is looked at", async () => {
    const made = await shopWorld();
    const { headers } = request("tools/list");
    const { status, headers: got } = await send(made.url, "{", headers);
    expect(status).toBe(401);
    expect(got["www-authenticate"]).toMatch(
      /^Bearer resource_metadata="[^"]+", scope="mcp:tools"$/,
    );
  });
});

async function shopWorld(): Promise<World> {
  const made = await world(shop);
  made.api.answer = answerAsShop;
  return made;
}
