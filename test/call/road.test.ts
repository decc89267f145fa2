import { expect, test } from "vitest";
import { answerJson } from "../world/api.ts";
import { world } from "../world/world.ts";

const spec = {
  paths: {
    "/orders/{id}": {
      get: {
        operationId: "get_order",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "integer" } }],
        responses: { 200: { description: "ok", content: { "application/json": {} } } },
      },
    },
  },
};

test("a call carries the exchanged token, never the caller's", async () => {
  const { call, api, idp, audit } = await world({ spec });
  api.answer = (_, response) => answerJson(response, { id: 7 });
  const result = await call("get_order", { id: 7 });
  expect(result.structuredContent).toEqual({ id: 7 });
  expect(api.requests).toMatchObject([
    { method: "GET", path: "/orders/7", headers: { authorization: "Bearer inner-1" } },
  ]);
  expect(idp.tokenRequests.map((form) => form.get("audience"))).toEqual(["api"]);
  expect(await audit()).toMatchObject([
    { event: "tool.call", outcome: "success", actor: { sub: "alice" }, upstream: { status: 200 } },
  ]);
});
