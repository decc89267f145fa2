import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { lanes } from "../mcp/lanes.ts";
import { call, eras, send } from "../mcp/wire.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";
import { sends, text, typed, type Sent } from "./wire-world.ts";

const order = {
  type: "object",
  required: ["id", "state"],
  additionalProperties: false,
  properties: {
    id: { type: "integer", description: "Number of the order." },
    state: { enum: ["open", "closed"] },
    at: { type: "string", format: "date-time" },
    secret: { type: "string", writeOnly: true },
    total: { type: "number", readOnly: true },
    next: { $ref: "#/components/schemas/Order" },
  },
};

const objectOf = { $ref: "#/components/schemas/Order" };
const listOf = { type: "array", items: objectOf };

function options(schema: object, mode: string): WorldOptions {
  const json = (inner: object): object => ({
    description: "",
    content: { "application/json": { schema: inner } },
  });
  const responses = { 201: json(schema), "2XX": json({}), default: json({ type: "null" }) };
  return {
    spec: {
      paths: { "/thing": { get: { operationId: "thing", responses } } },
      components: { schemas: { Order: order } },
    },
    tools: `- {operation: thing, response: {schema: ${mode}}}`,
  };
}

interface Told {
  readonly schema: object;
  readonly result: {
    readonly content: readonly unknown[];
    readonly structuredContent?: unknown;
    readonly isError?: boolean;
  };
}

/** The published schema and one result, in each era; a success keeps what its schema says. */
async function inBothEras(made: World): Promise<{ readonly legacy: Told; readonly modern: Told }> {
  const authorization = `Bearer ${await made.idp.token()}`;
  const [legacy, modern] = await Promise.all(
    eras.map(async ({ request }): Promise<Told> => {
      const ask = async (method: string, params?: object): Promise<unknown> => {
        const { body, headers } = request(method, params as Record<string, unknown>);
        const { messages } = await send(made.url, body, { ...headers, authorization });
        return messages.at(-1)?.result;
      };
      const list = (await ask("tools/list")) as { tools: { outputSchema: object }[] };
      const result = (await ask("tools/call", call("thing"))) as Told["result"];
      return { schema: list.tools[0]?.outputSchema ?? {}, result };
    }),
  );
  if (legacy === undefined || modern === undefined) throw new Error("there are two eras");
  for (const { schema, result } of [legacy, modern]) {
    const fits = new Ajv2020({ strict: false, logger: false }).compile(schema);
    if (result.isError === true) expect(result).not.toHaveProperty("structuredContent");
    else expect(fits(result.structuredContent)).toBe(true);
  }
  // What old clients demand before they read any list.
  expect(legacy.schema).toMatchObject({ type: "object" });
  return { legacy, modern };
}

async function asked(schema: object, mode: string, sent: Sent): ReturnType<typeof inBothEras> {
  const made = await world(options(schema, mode));
  made.api.answer = sends(sent);
  return inBothEras(made);
}

const good = { id: 1, state: "open", total: 2 };
const json = (value: unknown): Sent => typed("application/json", JSON.stringify(value));

test("none publishes no schema", async () => {
  const made = await world(options(objectOf, "none"));
  const list = await made.post({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  expect(await list.text()).not.toContain("outputSchema");
});

describe("strict", () => {
  test("publishes an object as the document declares it, and sends what fits", async () => {
    const { legacy, modern } = await asked(objectOf, "strict", json(good));
    const { secret: _secret, ...answered } = order.properties;
    const own = { ...answered, total: { type: "number" }, next: { $ref: "#/$defs/Order" } };
    expect(modern.schema).toMatchObject({ ...order, properties: own });
    expect(modern.schema).not.toHaveProperty("properties.secret");
    expect(legacy.schema).toEqual(modern.schema);
    expect(modern.result.structuredContent).toEqual(good);
    expect(legacy.result.structuredContent).toEqual(good);
  });

  test("wraps a list, and its schema, for clients of the 2025 era", async () => {
    const { legacy, modern } = await asked(listOf, "strict", json([good]));
    expect(modern.schema).toMatchObject({ type: "array", items: { $ref: "#/$defs/Order" } });
    expect(legacy.schema).toMatchObject({
      type: "object",
      required: ["result"],
      properties: {
        result: {
          type: "array",
          items: { $ref: "#/properties/result/$defs/Order" },
          $defs: {
            Order: { properties: { next: { $ref: "#/properties/result/$defs/Order" } } },
          },
        },
      },
    });
    expect(modern.result.structuredContent).toEqual([good]);
    expect(legacy.result.structuredContent).toEqual({ result: [good] });
  });

  test("wraps every value of a tool whose schema is not that of an object", async () => {
    const either = { anyOf: [objectOf, { type: "null" }] };
    const { legacy, modern } = await asked(either, "strict", json(good));
    expect(modern.result.structuredContent).toEqual(good);
    expect(legacy.result.structuredContent).toEqual({ result: good });
  });

  test.each([
    {
      title: "another value",
      sent: json({ id: "x", state: "lost" }),
      told: [
        "HTTP 200 OK from GET /thing: the answer is not what the API declares",
        '- id: expected integer, got "x"',
        '- state: expected one of "open", "closed", got "lost"',
      ].join("\n"),
    },
    {
      title: "a member that is missing in an inner value",
      sent: json({ ...good, next: { id: 1 } }),
      told: "HTTP 200 OK from GET /thing: the answer is not what the API declares\n- next.state: is required",
    },
    {
      title: "text",
      sent: typed("text/plain", "fine"),
      told: "HTTP 200 OK from GET /thing: expected JSON, got text/plain",
    },
    {
      title: "nothing",
      sent: { status: 204 },
      told: "HTTP 204 No Content from GET /thing: expected JSON, got an empty body",
    },
  ])("$title is an error", async ({ sent, told }) => {
    const { legacy, modern } = await asked(objectOf, "strict", sent);
    expect(legacy.result).toMatchObject({ content: [text(told)], isError: true });
    expect(modern.result).toMatchObject({ content: [text(told)], isError: true });
  });

  test("keeps the whole value where its text is cut", async () => {
    const rows = Array.from({ length: 3000 }, (_, id) => ({
      id,
      state: "open",
      at: `${id}`.padEnd(40),
    }));
    const loose = { type: "array", items: { type: "object" } };
    const { modern } = await asked(loose, "strict", json(rows));
    expect(modern.result.structuredContent).toEqual(rows);
    expect(JSON.stringify(modern.result.content)).toContain("_truncated");
  });
});

describe("permissive", () => {
  test("publishes names and descriptions only", async () => {
    const { legacy, modern } = await asked(objectOf, "permissive", json(good));
    const members = {
      id: { description: "Number of the order." },
      state: {},
      at: {},
      total: {},
      next: { $ref: "#/$defs/Order" },
    };
    expect(modern.schema).toEqual({
      type: "object",
      properties: members,
      $defs: { Order: { properties: members } },
    });
    expect(legacy.schema).toEqual(modern.schema);
  });

  test.each([
    { title: "what fits", sent: json(good), value: good },
    { title: "another object", sent: json({ id: "x", more: 1 }), value: { id: "x", more: 1 } },
    { title: "a list", sent: json([1]), value: { result: [1] } },
    { title: "text", sent: typed("text/plain", "fine"), value: {} },
    { title: "nothing", sent: { status: 204 }, value: {} },
  ])("no answer fails: $title", async ({ sent, value }) => {
    const { legacy, modern } = await asked(objectOf, "permissive", sent);
    expect(modern.result.structuredContent).toEqual(value);
    expect(legacy.result.structuredContent).toEqual(value);
    expect(modern.result.isError).toBeUndefined();
  });

  test.each([
    { title: "a list", sent: json([good]), value: [good] },
    { title: "an object", sent: json(good), value: good },
    { title: "text", sent: typed("text/plain", "fine"), value: null },
  ])("nor where a list was declared: $title", async ({ sent, value }) => {
    const { legacy, modern } = await asked(listOf, "permissive", sent);
    expect(modern.result.structuredContent).toEqual(value);
    expect(legacy.result.structuredContent).toEqual({ result: value });
  });
});

test("errors of the API have no structured content", async () => {
  const sent = { ...json({ message: "gone" }), status: 410 };
  const { modern } = await asked(objectOf, "permissive", sent);
  expect(modern.result).toMatchObject({ isError: true });
});

test.each(eras)("both lanes wrap alike for $era", async ({ request }) => {
  for (const value of [good, null]) {
    const { ask, world: made } = await lanes(
      options({ anyOf: [objectOf, { type: "null" }] }, "strict"),
    );
    made.api.answer = sends(json(value));
    for (const posted of [request("tools/call", call("thing")), request("tools/list")]) {
      const { hot, sdk, taken } = await ask(posted);
      expect(taken).toBe(true);
      expect(hot.messages).toEqual(sdk.messages);
    }
  }
});
