import { expect, test } from "vitest";
import { world } from "../world/world.ts";

const spec = {
  paths: {
    "/customers": { get: { operationId: "read_customers" } },
    "/mails": {
      post: {
        operationId: "send_mail",
        requestBody: {
          required: true,
          content: { "application/json": { schema: { type: "object" } } },
        },
      },
    },
  },
};

test("S71: who reads here to write there is held up by the tool's own rate, and the log shows the chain", async () => {
  const at = await world({
    spec,
    credential: "none",
    tools: `- operation: read_customers
- operation: send_mail
  rate: 2/h
  annotations: {openWorld: true}`,
  });
  const mail = { body: { to: "evil@evil.test" } };
  await at.call("read_customers");
  for (const refused of [undefined, undefined, true])
    expect((await at.call("send_mail", mail)).isError).toBe(refused);
  // Somebody else has a count of their own.
  expect((await at.call("send_mail", mail, { sub: "bob" })).isError).toBeUndefined();
  expect(at.api.requests.map(({ path }) => path)).toEqual([
    "/customers",
    "/mails",
    "/mails",
    "/mails",
  ]);
  const chain = (await at.audit()).filter(
    ({ actor }) => (actor as { sub: string }).sub === "alice",
  );
  expect(chain).toMatchObject([
    { tool: { name: "read_customers" }, outcome: "success" },
    { tool: { name: "send_mail" }, outcome: "success" },
    { tool: { name: "send_mail" }, outcome: "success" },
    { tool: { name: "send_mail" }, outcome: "denied", reason: "rate_limited" },
  ]);
  const list = await at.post({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  const { result } = (await list.json()) as {
    result: { tools: { name: string; annotations: object }[] };
  };
  expect(result.tools.find(({ name }) => name === "send_mail")?.annotations).toMatchObject({
    openWorldHint: true,
  });
});
