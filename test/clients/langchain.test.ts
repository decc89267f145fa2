import { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { expect, onTestFinished, test } from "vitest";
import { world } from "../world/world.ts";
import { answerAsShop, shop } from "../mcp/shop.ts";

test("a LangGraph agent gets the tools and calls one with its bearer header", async () => {
  const { url, idp, api } = await world(shop);
  api.answer = answerAsShop;
  const client = new MultiServerMCPClient({
    mcpServers: {
      shop: {
        transport: "http",
        url,
        headers: { Authorization: `Bearer ${await idp.token()}` },
      },
    },
  });
  onTestFinished(() => client.close());

  const tools = await client.getTools();
  expect(tools.map(({ name }) => name)).toContain("get_order");
  const order = tools.find(({ name }) => name === "get_order");
  expect(order?.schema).toMatchObject({
    type: "object",
    properties: { id: { type: "integer" } },
    required: ["id"],
  });
  expect(await order?.invoke({ id: 7 })).toMatchObject({
    type: "text",
    text: expect.stringContaining('"id":7'),
    structuredContent: { id: 7, path: "/orders/7" },
  });
  expect(api.requests).toMatchObject([
    { method: "GET", path: "/orders/7", headers: { authorization: "Bearer inner-1" } },
  ]);

  const fault = tools.find(({ name }) => name === "find_fault");
  await expect(fault?.invoke({})).rejects.toThrow("It was never placed.");
});

test("without a token a LangGraph agent gets no tools", async () => {
  const { url, api } = await world(shop);
  const client = new MultiServerMCPClient({
    mcpServers: { shop: { transport: "http", url, automaticSSEFallback: false } },
  });
  onTestFinished(() => client.close());
  await expect(client.getTools()).rejects.toThrow(/401|auth/i);
  expect(api.requests).toEqual([]);
});
