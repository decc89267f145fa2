import type { ServerResponse } from "node:http";
import { answerJson, type ApiRequest } from "../world/api.ts";
import type { WorldOptions } from "../world/world.ts";

const json = { 200: { description: "ok", content: { "application/json": {} } } };
const operation = (operationId: string, more: object = {}): object => ({
  operationId,
  responses: json,
  ...more,
});

/** One operation for every kind of answer an API can give. */
export const shop: WorldOptions = {
  spec: {
    paths: {
      "/orders": {
        get: operation("list_orders"),
        post: operation("write_order", {
          requestBody: {
            required: true,
            content: {
              "application/json": {
                schema: { type: "object", properties: { item: { type: "string" } } },
              },
            },
          },
        }),
      },
      "/orders/{id}": {
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "integer" } }],
        get: operation("get_order"),
        delete: operation("cancel_order", { responses: { 204: { description: "gone" } } }),
      },
      "/count": { get: operation("count_orders") },
      "/note": { get: operation("read_note") },
      "/fault": { get: operation("find_fault") },
      "/import": { get: operation("import_orders"), post: operation("start_import") },
      "/secrets": { get: operation("read_secrets") },
    },
  },
  tools: `- operation: write_order
  scopes: [orders:write]
- operation: cancel_order
  scopes: [orders:write, orders:admin]
- operation: read_secrets
  when: principal.claims.role == "admin"
- match: {paths: ["/**"]}`,
};

export function answerAsShop({ method, path }: ApiRequest, response: ServerResponse): void {
  const route = `${method} ${path}`;
  if (route === "GET /orders") answerJson(response, [{ id: 1 }, { id: 2 }]);
  else if (route === "GET /count") answerJson(response, 2);
  else if (route === "GET /note") {
    response.writeHead(200, { "content-type": "text/plain" }).end("Remember the milk — ☃");
  } else if (route === "GET /fault") {
    const problem = { title: "No such order", status: 404, detail: "It was never placed." };
    response
      .writeHead(404, { "content-type": "application/problem+json" })
      .end(JSON.stringify(problem));
  } else if (method === "DELETE" || route === "POST /import") response.writeHead(204).end();
  else answerJson(response, { id: 7, note: 'a "quoted" ☃', path });
}
