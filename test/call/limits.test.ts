import { describe, expect, test, vi } from "vitest";
import { answerJson } from "../world/api.ts";
import { edit } from "../reload/orders.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

const spec = {
  paths: {
    "/orders": { get: { operationId: "list_orders" }, post: { operationId: "add_order" } },
  },
};

function shop(options: Partial<WorldOptions> = {}): Promise<World> {
  return world({ spec, credential: "none", ...options });
}

/** Answers to everything that was asked so far, and to what is asked later, once let go. */
function gate(at: World): () => void {
  const held: (() => void)[] = [];
  let open = false;
  at.api.answer = (_, response) => {
    const answer = (): void => answerJson(response, { ok: true });
    if (open) answer();
    else held.push(answer);
  };
  return () => {
    open = true;
    for (const answer of held) answer();
  };
}

const asked = (at: World, count: number): Promise<void> =>
  vi.waitFor(() => expect(at.api.requests).toHaveLength(count), { timeout: 10_000 });

const tooMany = expect.stringMatching(/Try again after \d+ seconds?\./);

describe("rates", () => {
  const limited = { isError: true, content: [{ text: tooMany }] };

  test("a person has a rate whatever their token, and another person has another", async () => {
    const at = await shop({ extra: { top: "limits: {rate: {principal: 2/h}}" } });
    await at.call("list_orders");
    await at.call("add_order");
    const third = await at.call("list_orders", {}, { jti: "another" });
    expect(third).toMatchObject(limited);
    expect(third).toMatchObject({ _meta: { retryAfter: 1_800 } });
    expect((await at.call("list_orders", {}, { sub: "bob" })).isError).toBeUndefined();
    expect(at.api.requests).toHaveLength(3);
    expect((await at.audit())[2]).toMatchObject({
      event: "rate.deny",
      outcome: "denied",
      reason: "rate_limited",
      limit: "principal",
      actor: { sub: "alice" },
    });
  });

  test("S91: a client's rate is shared by everybody who uses it", async () => {
    const at = await shop({ extra: { top: "limits: {rate: {client: 2/h}}" } });
    await at.call("list_orders");
    await at.call("list_orders", {}, { sub: "bob" });
    expect(await at.call("list_orders", {}, { sub: "carol" })).toMatchObject(limited);
    const other = await at.call("list_orders", {}, { sub: "carol", client_id: "other" });
    expect(other.isError).toBeUndefined();
  });

  test("a tool's rate is one person's, and a rule may give another", async () => {
    const at = await shop({
      extra: { top: "limits: {rate: {tool: 1/h}}" },
      tools: "- operation: list_orders\n  rate: 2/h\n- operation: add_order",
    });
    const outcomes: unknown[] = [];
    for (const name of ["list_orders", "list_orders", "list_orders", "add_order", "add_order"]) {
      outcomes.push((await at.call(name)).isError);
    }
    expect(outcomes).toEqual([undefined, undefined, true, undefined, true]);
    expect((await at.call("add_order", {}, { sub: "bob" })).isError).toBeUndefined();
  });

  test("a refused call is not counted, and a reload forgets nothing", async () => {
    const at = await shop({ extra: { top: "limits: {rate: {principal: 1/h}}" } });
    await at.call("list_orders");
    await edit(at.dir, (yaml) => yaml.replace("spec: spec.json", "$&\n    timeout: 7s"));
    expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
    expect(await at.call("list_orders")).toMatchObject(limited);
  });

  test("what policy or the schema refuses takes nothing from a rate", async () => {
    const at = await shop({ extra: { top: "limits: {rate: {principal: 1/h}}" } });
    await at.call("list_orders", { unknown: 1 });
    await expect(at.call("no_such_tool")).rejects.toMatchObject({
      message: { error: { code: -32602 } },
    });
    expect((await at.call("list_orders")).isError).toBeUndefined();
  });
});

test("F21: a call waits for a place, one more is refused, and another API is not touched", async () => {
  const at = await shop({
    extra: {
      top: "limits: {queue: 1, queueTimeout: 30s}",
      api: "concurrency: 1",
      apis: `other:
  spec: spec.json
  url: "API_URL"
  credential: none
  prefix: true
  tools: [{operation: list_orders}]`,
    },
  });
  const open = gate(at);
  const first = at.call("list_orders");
  await asked(at, 1);
  // One of them gets the only place in the queue, whichever comes first.
  const two = [at.call("add_order"), at.call("list_orders", {}, { sub: "bob" })];
  const refused = await Promise.race(two);
  expect(refused).toMatchObject({ isError: true });
  expect(refused.content[0]?.text).toContain("busy with other calls");
  const other = at.call("other_list_orders");
  await asked(at, 2);
  open();
  const results = await Promise.all([first, other, ...two]);
  expect(results.filter(({ isError }) => isError === true)).toEqual([refused]);
  expect(
    (await at.audit()).some(({ outcome, reason }) => outcome === "shed" && reason === "busy"),
  ).toBe(true);
});

test("one person's calls leave room for another's", async () => {
  const at = await shop({
    extra: { top: "limits: {principalConcurrency: 2, queue: 0, concurrency: 3}" },
  });
  const open = gate(at);
  const calls = [at.call("list_orders"), at.call("list_orders", {}, { jti: "another" })];
  await asked(at, 2);
  const third = await at.call("list_orders");
  expect(third.content[0]?.text).toContain("too many calls under way");
  calls.push(at.call("list_orders", {}, { sub: "bob" }));
  await asked(at, 3);
  open();
  for (const call of await Promise.all(calls)) expect(call.isError).toBeUndefined();
});

test("a tool's places are its own", async () => {
  const at = await shop({
    extra: { top: "limits: {queue: 0}" },
    tools: "- operation: list_orders\n  concurrency: 1\n- operation: add_order",
  });
  const open = gate(at);
  const calls = [at.call("list_orders")];
  await asked(at, 1);
  expect((await at.call("list_orders")).content[0]?.text).toContain("This tool is busy");
  calls.push(at.call("add_order"));
  await asked(at, 2);
  open();
  for (const call of await Promise.all(calls)) expect(call.isError).toBeUndefined();
});

test("who is inside is still counted after a reload, and the new number counts", async () => {
  const at = await shop({ extra: { top: "limits: {queue: 0}", api: "concurrency: 1" } });
  const open = gate(at);
  const calls = [at.call("list_orders")];
  await asked(at, 1);
  await edit(at.dir, (yaml) => yaml.replace("concurrency: 1", "concurrency: 2"));
  await at.gateway.reload();
  calls.push(at.call("list_orders"));
  await asked(at, 2);
  expect((await at.call("list_orders")).content[0]?.text).toContain("busy");
  open();
  for (const call of await Promise.all(calls)) expect(call.isError).toBeUndefined();
  expect((await at.call("list_orders")).isError).toBeUndefined();
});
