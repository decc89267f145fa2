import { expect, test, vi } from "vitest";
import { world, type World } from "../world/world.ts";
import { answerAsShop, shop } from "../mcp/shop.ts";
import { clientKinds, type ClientKind, type RealClient } from "./clients.ts";
import { stdioFolder } from "./stdio.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 60_000 });

/** All but `read_secrets`, which is for admins. */
const everyone = [
  "cancel_order",
  "count_orders",
  "find_fault",
  "get_order",
  "import_orders",
  "list_orders",
  "read_note",
  "start_import",
  "write_order",
];

interface Met {
  readonly made: World;
  readonly client: RealClient;
}

async function meet({ connect, transport }: ClientKind): Promise<Met> {
  const made = await world(shop);
  made.api.answer = answerAsShop;
  const token = await made.idp.token();
  if (transport === "http") return { made, client: await connect({ url: made.url, token }) };
  const folder = await stdioFolder(made);
  return { made, client: await connect({ folder, program: folder.program(token) }) };
}

test.each(clientKinds)("$name lists, calls, and gets what the API said", async (kind) => {
  const { client, made } = await meet(kind);
  expect((await client.list()).toSorted()).toEqual(everyone);
  expect(await client.call("get_order", { id: 7 })).toMatchObject({
    content: [{ type: "text", text: expect.stringContaining('"id":7') }],
    structuredContent: { id: 7, path: "/orders/7" },
  });
  expect(await client.call("read_note")).toMatchObject({
    content: [{ type: "text", text: "Remember the milk — ☃" }],
  });

  // The 2025 era has objects only.
  const inEra = (value: unknown): unknown => (kind.era === "2025" ? { result: value } : value);
  const orders = [{ id: 1 }, { id: 2 }];
  const list = await client.call("list_orders");
  expect(list.content).toEqual([{ type: "text", text: JSON.stringify(orders) }]);
  expect(list.structuredContent).toEqual(inEra(orders));
  expect((await client.call("count_orders")).structuredContent).toEqual(inEra(2));

  expect(made.api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "GET /orders/7",
    "GET /note",
    "GET /orders",
    "GET /count",
  ]);
  for (const { headers } of made.api.requests) {
    expect(headers.authorization).toMatch(/^Bearer inner-\d$/);
  }
  // A promise only where a notification can come: HTTP of the 2025 era has no stream for it.
  expect(client.promisesListChanged).toBe(kind.era === "2026" || kind.transport === "stdio");
});

test.each(clientKinds)("$name is told what is wrong", async (kind) => {
  const { client, made } = await meet(kind);
  expect(await client.call("find_fault"), "a failure of the API").toMatchObject({
    isError: true,
    content: [{ type: "text", text: expect.stringContaining("It was never placed.") }],
  });
  expect(await client.call("get_order", { id: "seven" }), "a wrong argument").toMatchObject({
    isError: true,
    content: [{ type: "text", text: expect.stringContaining("id") }],
  });
  await expect(client.call("no_such_tool")).rejects.toMatchObject({
    code: -32602,
    message: expect.stringContaining("no_such_tool"),
  });
  // Hidden from this caller: as unknown as a tool that does not exist.
  await expect(client.call("read_secrets")).rejects.toMatchObject({ code: -32602 });
  // HTTP has a status for it, which clients throw; over stdio the model tells its user.
  const lacking = await client.call("write_order", { body: { item: "tea" } }).then(
    (result) => JSON.stringify(result),
    (error: unknown) => String(error),
  );
  expect(lacking).toMatch(kind.transport === "http" ? /insufficient.scope/i : /orders:write/);
  expect(made.api.requests.map(({ path }) => path)).toEqual(["/fault"]);
});
