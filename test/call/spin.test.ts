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
