import { PassThrough } from "node:stream";
import { expect, test, vi } from "vitest";
import { anonymous } from "../../src/auth/anonymous.ts";
import { createStdioEndpoint } from "../../src/mcp/stdio.ts";
import { createLog } from "../../src/observe/log.ts";
import { world } from "../world/world.ts";

test("what the protocol refuses on a pipe has a record, as it has over HTTP", async () => {
  const at = await world({
    spec: { paths: { "/orders": { get: { operationId: "list_orders" } } } },
    auth: "none",
  });
  const [input, output] = [new PassThrough(), new PassThrough()];
  const endpoint = createStdioEndpoint(
    {
      service: () => at.gateway.snapshot.endpoints[0]!.mcp,
      info: { name: "tollgate", version: "0.0.0-test" },
      principal: async () => anonymous,
      input,
      output,
    },
    { now: () => Date.now(), log: createLog(() => {}, "debug") },
  );
  input.write('{"jsonrpc":"1.0","id":2,"method":"tools/list"}\n');
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(1));
  input.write('{"jsonrpc":"2.0","id":12345678901234567890,\n\n \n');
  input.write("not ");
  input.write("JSON\n");
  await vi.waitFor(async () => expect(await at.audit()).toHaveLength(3));
  const reject = { event: "request.reject", outcome: "denied", mcp };
  expect(await at.audit()).toMatchObject([
    { ...reject, reason: "protocol_error" },
    { ...reject, reason: "invalid_json" },
    { ...reject, reason: "invalid_json" },
  ]);
  await endpoint.close();
});

const mcp = { transport: "stdio" };
