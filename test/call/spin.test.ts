import { expect, test } from "vitest";
import { world, type World } from "../world/world.ts";

function operation(id: string, items: object): object {
  return {
    post: {
      operationId: id,
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: { type: "object", properties: { items }, required: ["items"] },
          },
        },
      },
    },
  };
}

const spec = {
  paths: {
    "/pairs": operation("pairs", { type: "array", items: { type: "integer" } }),
    "/names": operation("names", { type: "string", pattern: "^(a+)+$" }),
    "/orders": { get: { operationId: "list" } },
  },
};

async function spinning(): Promise<World> {
  return world({
    spec,
    credential: "none",
    tools: `- operation: pairs
  when: args.body.items.all(a, args.body.items.all(b, args.body.items.all(c, a + b + c >= 0)))
- operation: names
- operation: list`,
  });
}

test("F63: a condition that would spin is ended by what it may cost, and only that call fails", async () => {
  const at = await spinning();
  const many = { body: { items: Array.from({ length: 5_000 }, (_, i) => i) } };
  const spun = at.call("pairs", many);
  const others = Array.from({ length: 10 }, () => at.call("list"));
  for (const { isError } of await Promise.all(others)) expect(isError).toBeUndefined();
  // Whose condition cannot be decided is refused like one whose condition does not hold.
  expect(await spun).toMatchObject({
    isError: true,
    content: [{ text: "You may not call this tool with these arguments." }],
  });
  expect((await at.call("pairs", { body: { items: [1, 2, 3] } })).isError).toBeUndefined();
  expect(at.api.requests.filter(({ path }) => path === "/pairs")).toHaveLength(1);
});

test("F63: a pattern that would spin takes as long as its text, and the argument is refused", async () => {
  const at = await spinning();
  const [spun, other] = await Promise.all([
    at.call("names", { body: { items: `${"a".repeat(100_000)}!` } }),
    at.call("list"),
  ]);
  expect(spun.isError).toBe(true);
  expect(spun.content[0]?.text).toContain("items");
  expect(other.isError).toBeUndefined();
  expect(at.api.requests.map(({ path }) => path)).toEqual(["/orders"]);
  expect((await at.call("names", { body: { items: "aaa" } })).isError).toBeUndefined();
});

const many = Array.from({ length: 20_000 }, (_, i) => ({ id: i, name: `n${i}` }));

test.each([
  "items[].{id: id, same: length($.items[?id == `7`])}",
  "let $all = items in $all[].[$all[].[$all[].id]]",
  "items[].replace(join('', $.items[].name), 'n', name)",
  `items | ${Array.from({ length: 10 }, () => "[@,@]").join(" | ")}`,
])(
  "F63: a select that would spin is ended in its budget, and only that call fails: %s",
  async (select) => {
    const at = await world({
      spec,
      credential: "none",
      tools: `- operation: list
  response: {select: ${JSON.stringify(select)}}
- operation: pairs`,
    });
    at.api.answer = ({ path }, response) => {
      const items = path === "/orders" ? many : [];
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ items }));
    };
    const spun = at.call("list");
    const others = Array.from({ length: 10 }, () => at.call("pairs", { body: { items: [1] } }));
    for (const { isError } of await Promise.all(others)) expect(isError).toBeUndefined();
    expect(await spun).toEqual({
      isError: true,
      content: [
        {
          type: "text",
          text: "HTTP 200 OK from GET /orders: choosing from the answer took too long and was ended; ask for less",
        },
      ],
    });
    const records = await at.audit();
    expect(records.filter(({ reason }) => reason === "select_timeout")).toMatchObject([
      { event: "tool.call", outcome: "failure", upstream: { status: 200 } },
    ]);
    expect(records).toHaveLength(11);
    at.api.answer = (_, response) => {
      response
        .writeHead(200, { "content-type": "application/json" })
        .end('{"items":[{"id":1,"name":"n"}]}');
    };
    expect((await at.call("list")).isError).toBeUndefined();
  },
);
