import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../world/api.ts";
import { world, type World } from "../world/world.ts";

const text = { type: "string" };
const spec = {
  servers: [{ url: "http://elsewhere.test/{stage}", variables: { stage: { default: "prod" } } }],
  paths: {
    "/orders/{id}": {
      parameters: [{ name: "id", in: "path", required: true, schema: text }],
      get: {
        operationId: "get_order",
        parameters: [
          { name: "q", in: "query", schema: text },
          {
            name: "filter",
            in: "query",
            style: "deepObject",
            schema: { type: "object", additionalProperties: text },
          },
          { name: "tags", in: "query", schema: { type: "array", items: text } },
          { name: "X-Note", in: "header", schema: text },
        ],
      },
      delete: { operationId: "cancel_order" },
    },
  },
};

function shop(): Promise<World> {
  return world({ spec, basePath: "/internal" });
}

interface Outcome {
  readonly isError: boolean | undefined;
  /** Begins with the argument at fault. */
  readonly namesArgument: boolean;
  readonly sent: number;
  readonly records: readonly unknown[];
}

async function attempt(at: World, tool: string, args: Record<string, unknown>): Promise<Outcome> {
  const before = (await at.audit()).length;
  const { isError, content } = await at.call(tool, args);
  const names = Object.keys(args).join("|");
  return {
    isError,
    namesArgument: new RegExp(`^(?:Invalid arguments:\\n- )?(?:${names})`).test(
      content[0]?.text ?? "",
    ),
    sent: at.api.requests.length,
    records: (await at.audit())
      .slice(before)
      .map(({ event, reason }) => `${String(event)} ${String(reason)}`),
  };
}

const refused: Outcome = {
  isError: true,
  namesArgument: true,
  sent: 0,
  records: ["tool.call invalid_arguments"],
};

test.each([
  ["S01", "dots", [".", ".."]],
  ["S02", "climbing", ["../admin", "a/../../admin", "..\\admin", "a/..", "..;/admin", "./x"]],
  [
    "S03",
    "encoded dots",
    ["%2e%2e", ".%2e", "%2E.", "%252e%252e", "%25252e%25252e", "..%2fadmin", "a%2f..%2fb"],
  ],
  ["S06", "an empty value", [""]],
  ["S09", "control characters", ["a\r\nb", "a\tb", "a\0b", "a\u0085b", "\u007f"]],
])("%s %s in a path is refused, and nothing is sent", async (_row, _what, values) => {
  const at = await shop();
  for (const id of values) {
    expect.soft(await attempt(at, "get_order", { id }), JSON.stringify({ id })).toEqual(refused);
    expect.soft(await attempt(at, "cancel_order", { id }), JSON.stringify({ id })).toEqual(refused);
  }
});

test.each([
  ["S02", "a/b", "a%2Fb"],
  ["S05", "\uFF0E\uFF0E", "%EF%BC%8E%EF%BC%8E"],
  ["S05", "%c0%ae%c0%ae", "%25c0%25ae%25c0%25ae"],
  ["S07", "7?x=1", "7%3Fx%3D1"],
  ["S07", "7#f", "7%23f"],
  ["S07", "//evil.test/x", "%2F%2Fevil.test%2Fx"],
])("%s the value %j arrives as %s", async (_row, id, segment) => {
  const at = await shop();
  await at.call("get_order", { id });
  expect(at.api.requests.map(({ path }) => path)).toEqual([`/internal/orders/${segment}`]);
  expect(at.api.requests[0]?.headers.host).toBe(new URL(at.api.url).host);
});

test.each(["a\r\nb", "a\0b"])("S09 %j in a query is refused", async (q) => {
  expect
    .soft(await attempt(await shop(), "get_order", { id: "7", q }), JSON.stringify({ id: "7", q }))
    .toEqual(refused);
});

test("S10 what a query value or key holds stays in its place", async () => {
  const at = await shop();
  const q = "a&admin=true#x?y=z+w&&=";
  const filter = { "a][b": "1&admin=true", "x&admin": "=[]" };
  await at.call("get_order", { id: "7", q, filter, tags: ["a,b", "c&tags=d"] });
  const [, query = ""] = at.api.requests[0]?.path.split("?") ?? [];
  const seen = query.split("&").map((pair) => pair.split("=").map(decodeURIComponent));
  expect(seen).toEqual([
    ["q", q],
    ["filter[a][b]", "1&admin=true"],
    ["filter[x&admin]", "=[]"],
    ["tags", "a,b"],
    ["tags", "c&tags=d"],
  ]);
});

test("S11 an argument that the schema does not name is refused", async () => {
  const at = await shop();
  for (const name of ["admin", "__proto__x", "authorization", "Host"]) {
    expect
      .soft(
        await attempt(at, "get_order", { id: "7", [name]: "1" }),
        JSON.stringify({ id: "7", [name]: "1" }),
      )
      .toEqual(refused);
  }
});

test("S13 the document's servers and their variables choose no host", async () => {
  const at = await shop();
  await at.call("get_order", { id: "7" });
  expect(at.api.requests.map(({ path }) => path)).toEqual(["/internal/orders/7"]);
});

test.each([
  ["another host", "http://127.0.0.1:9/x"],
  ["a metadata service", "http://169.254.169.254/latest/meta-data"],
  ["a file", "file:///etc/passwd"],
])("S17 a redirect to %s is told and not followed", async (_where, location) => {
  const at = await shop();
  at.api.answer = (_, response) => void response.writeHead(307, { location }).end();
  expect(await at.call("get_order", { id: "7" })).toMatchObject({ isError: true });
  expect(at.api.requests).toHaveLength(1);
  expect(await at.audit()).toMatchObject([{ outcome: "failure", reason: "upstream_error" }]);
});

test("S21 nothing that an answer links to is asked for", async () => {
  const at = await shop();
  const other = await startApi();
  onTestFinished(() => other.close());
  const href = `${other.url}/stolen`;
  at.api.answer = (_, response) => {
    response.writeHead(201, {
      location: href,
      link: `<${href}>; rel="next"`,
      refresh: `0; url=${href}`,
      "content-type": "application/hal+json",
    });
    response.end(JSON.stringify({ _links: { self: { href }, next: { href } }, $ref: href }));
  };
  expect((await at.call("get_order", { id: "7" })).isError).toBeUndefined();
  expect([at.api.requests.length, other.requests.length]).toEqual([1, 0]);
});

test.each(["a\r\nX-Admin: 1", "a\0b", "\u{1F600}", "ü\u2028"])(
  "S22 %j in a header is an error that names the argument",
  async (note) => {
    const at = await shop();
    const { isError, content } = await at.call("get_order", { id: "7", "X-Note": note });
    expect(isError).toBe(true);
    expect(content[0]?.text).toContain("X-Note");
    expect(at.api.requests).toEqual([]);
  },
);
