import { classifyInboundRequest } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonValue } from "../../src/base/json.ts";
import { acceptRequest } from "../../src/mcp/envelope.ts";
import { lanes } from "./lanes.ts";
import { usual, type Headers, type Posted } from "./wire.ts";

const own = "io.modelcontextprotocol/";

/** Mostly the first, which is right; sometimes one that is a little off, or nothing at all. */
function mostly<T>(right: T, ...wrong: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(right) },
    { weight: 1, arbitrary: fc.constantFrom(right, ...wrong) },
  );
}

const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, 0, -1, 1.5, 2 ** 53, "", "x", [], {}, [{}], { "": {} }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** The right value, now and then anything. */
function slightly(right: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 20, arbitrary: right }, { weight: 1, arbitrary: anything });
}

function members(
  known: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  ...required: readonly string[]
): fc.Arbitrary<Readonly<Record<string, unknown>>> {
  const strange = fc.dictionary(
    fc.constantFrom("x", "task", "cursor", "_meta", "constructor", `${own}logLevel`, `${own}x`),
    anything,
    { maxKeys: 1 },
  );
  const requiredKeys = fc.oneof(
    { weight: 12, arbitrary: fc.constant(required) },
    { weight: 1, arbitrary: fc.subarray([...required]) },
  );
  const exact = requiredKeys.chain((keys) => fc.record(known, { requiredKeys: [...keys] }));
  return fc.oneof(
    { weight: 12, arbitrary: exact },
    {
      weight: 1,
      arbitrary: fc.tuple(exact, strange).map(([some, more]) => ({ ...some, ...more })),
    },
  );
}

const capabilities = members({
  roots: slightly(members({ listChanged: fc.boolean() })),
  sampling: slightly(members({ tools: fc.constant({}), context: fc.constant({}) })),
  elicitation: slightly(members({ form: fc.constant({}), url: fc.constant({}) })),
  experimental: slightly(fc.dictionary(fc.string({ maxLength: 3 }), anything, { maxKeys: 2 })),
  extensions: slightly(fc.dictionary(fc.string({ maxLength: 3 }), anything, { maxKeys: 2 })),
});
const clientInfo = members(
  {
    name: slightly(fc.string()),
    version: slightly(fc.string()),
    title: slightly(fc.string()),
    icons: anything,
    websiteUrl: anything,
  },
  "name",
  "version",
);
const progressToken = slightly(fc.oneof(fc.string(), fc.integer()));

const legacyMeta = members({ progressToken, traceparent: fc.string() });
const modernMeta = members(
  {
    [`${own}protocolVersion`]: slightly(mostly("2026-07-28", "2025-11-25", "2026-07-29", "")),
    [`${own}clientCapabilities`]: slightly(capabilities),
    [`${own}clientInfo`]: slightly(clientInfo),
    progressToken,
  },
  `${own}protocolVersion`,
  `${own}clientCapabilities`,
);

const method = mostly("tools/call", "tools/list", "tools/Call", "ping", "initialize");
const id = slightly(
  fc.oneof(fc.string(), fc.integer(), fc.maxSafeInteger(), fc.constantFrom(-0, 1e21, 0.5, null)),
);
const name = mostly("get_order", "list_orders", "no_such_tool", "", " get_order", "Get_Order", "☃");

const posted: fc.Arbitrary<Posted> = fc
  .record({ isModern: fc.boolean(), isList: fc.boolean(), method, name, id })
  .chain((draft) => {
    const methodName = draft.isList ? "tools/list" : draft.method;
    const meta = slightly(draft.isModern ? modernMeta : legacyMeta);
    const args = slightly(fc.constantFrom({ id: 7 }, { id: 8 }, {}));
    const params = draft.isList
      ? members({ _meta: meta }, ...(draft.isModern ? ["_meta"] : []))
      : members(
          { name: slightly(fc.constant(draft.name)), arguments: args, _meta: meta },
          "name",
          ...(draft.isModern ? ["_meta"] : []),
        );
    const body = members(
      {
        jsonrpc: slightly(mostly("2.0", "1.0")),
        id: fc.constant(draft.id),
        method: fc.constant(methodName),
        params: slightly(params),
      },
      "jsonrpc",
      "id",
      "method",
      "params",
    );
    return fc.record({ body, headers: headersFor(draft.isModern, methodName, draft.name) });
  });

function headersFor(isModern: boolean, methodName: string, tool: string): fc.Arbitrary<Headers> {
  const safe = /^[!-~]+$/.test(tool) ? tool : "get_order";
  const sentinel = `=?base64?${Buffer.from(tool).toString("base64")}?=`;
  const version = isModern
    ? mostly<string | undefined>("2026-07-28", undefined, "2025-11-25", "2026-07-28, 2026-07-28")
    : mostly<string | undefined>("2025-11-25", undefined, "2025-03-26", "2026-07-28", "1", "");
  return fc.record({
    "mcp-protocol-version": version,
    "mcp-method": isModern
      ? mostly<string | undefined>(methodName, undefined, "tools/call", methodName.toUpperCase())
      : mostly<string | undefined>(undefined, "tools/call", "ping"),
    "mcp-name": isModern
      ? mostly<string | undefined>(safe, undefined, sentinel, "=?base64?!?=", `${safe}x`)
      : mostly<string | undefined>(undefined, "get_order"),
    accept: mostly<string | undefined>(
      usual.accept,
      undefined,
      "*/*",
      "application/json",
      "text/event-stream;q=0.5,application/json",
      "Application/JSON, text/event-stream",
    ),
  });
}

test("what the hot lane accepts, the SDK classifies the same way", () => {
  let accepted = 0;
  fc.assert(
    fc.property(posted, ({ body, headers }) => {
      const request = acceptRequest(withoutAbsent(headers), asReceived(body));
      if (request === undefined) return;
      accepted++;
      const outcome = classifyInboundRequest({
        httpMethod: "POST",
        body: asReceived(body),
        ...only("protocolVersionHeader", headers["mcp-protocol-version"]),
        ...only("mcpMethodHeader", headers["mcp-method"]),
        ...only("mcpNameHeader", headers["mcp-name"]),
      });
      expect(outcome).toMatchObject({ kind: request.era });
    }),
    { numRuns: 20_000, seed: 7 },
  );
  // Else the generator is so wild that the property says nothing.
  expect(accepted).toBeGreaterThan(3_000);
});

test("what the hot lane answers, the SDK lane answers the same", { timeout: 60_000 }, async () => {
  const { ask, world } = await lanes();
  const authorization = `Bearer ${await world.idp.token()}`;
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(posted, async ({ body, headers }) => {
      if (acceptRequest(withoutAbsent(headers), asReceived(body)) === undefined) return;
      taken++;
      const { hot, sdk } = await ask({ body, headers }, { authorization });
      expect(hot.status).toBe(sdk.status);
      expect(hot.messages).toEqual(sdk.messages);
    }),
    { numRuns: 1_200, seed: 7 },
  );
  expect(taken).toBeGreaterThan(200);
});

function asReceived(body: unknown): JsonValue {
  return JSON.parse(JSON.stringify(body)) as JsonValue;
}

function withoutAbsent(headers: Headers): Record<string, string> {
  const sent = Object.entries({ ...usual, ...headers });
  return Object.fromEntries(
    sent.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

function only<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: string };
}
