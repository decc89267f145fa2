import { expect, test } from "vitest";
import { world } from "../world/world.ts";
import { answerAsShop, shop } from "./shop.ts";
import { call, legacy, send } from "./wire.ts";

test("S47: a batch of 2025-03-26 is answered message by message", async () => {
  const { url, idp, api } = await world(shop);
  api.answer = answerAsShop;
  const { status, messages } = await send(
    url,
    [
      legacy("tools/call", call("count_orders"), 1).body,
      { jsonrpc: "2.0", method: "notifications/initialized" },
      legacy("tools/call", call("no_such_tool"), "two").body,
      legacy("ping", {}, 3).body,
    ],
    { authorization: `Bearer ${await idp.token()}`, "mcp-protocol-version": "2025-03-26" },
  );
  expect(status).toBe(200);
  const byId = new Map(messages.map((message) => [message.id, message]));
  expect(byId.size).toBe(3);
  expect(byId.get(1)?.result).toMatchObject({ structuredContent: { result: 2 } });
  expect(byId.get("two")?.error).toMatchObject({ code: -32602 });
  expect(byId.get(3)?.result).toEqual({});
});

test("one missing scope refuses the whole batch before any of it runs", async () => {
  const { url, idp, api, audit } = await world(shop);
  const { status, headers } = await send(
    url,
    [
      legacy("tools/call", call("count_orders"), 1).body,
      legacy("tools/call", call("write_order", { body: {} }), 2).body,
      legacy("tools/call", call("cancel_order", { id: 1 }), 3).body,
    ],
    { authorization: `Bearer ${await idp.token()}` },
  );
  expect(status).toBe(403);
  expect(headers["www-authenticate"]).toContain('scope="mcp:tools orders:write orders:admin"');
  expect(api.requests).toEqual([]);
  expect(idp.tokenRequests).toEqual([]);
  expect(await audit()).toMatchObject([
    { event: "policy.deny", reason: "insufficient_scope" },
    { event: "policy.deny", reason: "insufficient_scope" },
  ]);
});
