import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { compileWhere, textAt } from "../../src/observe/record/query.ts";
import { createTrail } from "../../src/observe/record/trail.ts";
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

test("S71: tools that reach out of the company share one rate of a person, and the log leads to what was read", async () => {
  const at = await world({
    spec: { paths: { ...spec.paths, "/tickets": { post: { operationId: "open_ticket" } } } },
    credential: "none",
    tools: `- operation: read_customers
- operation: send_mail
  egress: external
- operation: open_ticket
  egress: external
  annotations: {openWorld: false}`,
    extra: { top: "limits: {rate: {external: 2/h}}" },
  });
  const mail = { body: { to: "evil@evil.test" } };
  await at.call("read_customers", {}, { sub: "bob" });
  await at.call("read_customers");
  await at.call("send_mail", mail);
  await at.call("open_ticket");
  const { isError, content } = await at.call("send_mail", mail);
  expect(isError).toBe(true);
  expect(content[0]?.text).toMatch(
    /^You have called tools that reach out of the company too often\. Try again after \d+ seconds\.$/,
  );
  // Neither what stays inside is counted with them, nor what somebody else does.
  await at.call("read_customers");
  expect((await at.call("open_ticket", {}, { sub: "bob" })).isError).toBeUndefined();
  const steps = at.api.requests.map(({ path }) => path);
  expect(steps.filter((path) => path !== "/customers")).toEqual(["/mails", "/tickets", "/tickets"]);

  const records = await at.audit();
  const seen: string[] = [];
  const told = ["actor.sub", "tool.name", "tool.egress", "outcome"].map((path) => path.split("."));
  const follow = createTrail(compileWhere("tool.egress=external"), 60_000, (record) => {
    seen.push(told.map((path) => textAt(record, path)).join(" "));
  });
  for (const record of records) follow(record as JsonObject);
  expect(seen).toEqual([
    "alice read_customers  success",
    "alice send_mail external success",
    "alice open_ticket external success",
    "alice send_mail external denied",
    "bob read_customers  success",
    "bob open_ticket external success",
  ]);
  expect(records.filter(({ event }) => event === "rate.deny")).toMatchObject([
    { limit: "external" },
  ]);

  const list = await at.post({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  const { result } = (await list.json()) as {
    result: { tools: { name: string; annotations: { openWorldHint: boolean } }[] };
  };
  const open = result.tools.filter(({ annotations }) => annotations.openWorldHint);
  expect(open.map(({ name }) => name)).toEqual(["read_customers", "send_mail"]);
});

function trailOf(within: number, records: readonly JsonObject[]): readonly unknown[] {
  const seen: unknown[] = [];
  const follow = createTrail(compileWhere("event=auth.deny"), within, ({ id }) => seen.push(id));
  for (const record of records) follow(record);
  return seen;
}

const record = (id: string, event: string, more: JsonObject = {}): JsonObject => ({
  id,
  time: "2026-01-01T00:01:00.000Z",
  event,
  ...more,
});
const actor = { sub: "alice" };

test("what nobody is known to have done led to nothing else", () => {
  const seen = trailOf(60_000, [
    record("start", "gateway.start"),
    record("call", "tool.call", { actor }),
    record("stranger", "auth.deny"),
    record("end", "auth.deny", { actor }),
  ]);
  expect(seen).toEqual(["stranger", "call", "end"]);
});

test("what was done longer before led to nothing, nor does anything twice", () => {
  const seen = trailOf(60_000, [
    record("long before", "tool.call", { actor, time: "2025-12-31T23:59:59.999Z" }),
    record("just within", "tool.call", { actor, time: "2026-01-01T00:00:00.000Z" }),
    record("end", "auth.deny", { actor }),
    record("after", "tool.call", { actor }),
    record("end again", "auth.deny", { actor }),
  ]);
  expect(seen).toEqual(["just within", "end", "after", "end again"]);
});

test("of more than 10,000 steps the last are told", () => {
  const steps = Array.from({ length: 10_001 }, (_, i) => record(`${i}`, "tool.call", { actor }));
  const seen = trailOf(60_000, [...steps, record("end", "auth.deny", { actor })]);
  expect([seen.length, seen[0], seen.at(-1)]).toEqual([10_001, "1", "end"]);
});
