import type { ServerResponse } from "node:http";
import { expect, test, vi } from "vitest";
import { answerJson } from "../world/api.ts";
import { world } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const capacity = 5;
const queue = 10;

/**
 * Time is counted in what the API gets done: in each turn it answers as many as it can, so nothing
 * here depends on the speed of the machine.
 */
test("at three times the capacity goodput stays, what waits is bounded, and it recovers", async () => {
  const at = await world({
    spec,
    credential: "none",
    extra: {
      top: `limits: {queue: ${queue}, queueTimeout: 60s, principalConcurrency: 1000}`,
      api: `concurrency: ${capacity}\n    timeout: 60s`,
    },
  });
  const held: ServerResponse[] = [];
  let most = 0;
  at.api.answer = (_, response) => {
    held.push(response);
    most = Math.max(most, held.length);
  };
  const authorization = `Bearer ${await at.idp.token()}`;
  const params = { name: "list_orders", arguments: {} };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const ends = { good: 0, busy: 0 };
  const call = async (): Promise<void> => {
    const text = await (await at.post(body, { authorization })).text();
    if (text.includes('"isError":true')) ends.busy++;
    else ends.good++;
  };
  const running: Promise<void>[] = [];
  /** So many come, and the API answers what it can. */
  const turn = async (arriving: number): Promise<void> => {
    const { good } = ends;
    running.push(...Array.from({ length: arriving }, call));
    const open = (): number => running.length - ends.good - ends.busy;
    // Whoever finds no place is refused before the API does anything.
    await vi.waitFor(() => expect(open()).toBeLessThanOrEqual(capacity + queue), 10_000);
    await vi.waitFor(() => expect(held).toHaveLength(Math.min(capacity, open())), 10_000);
    for (const response of held.splice(0, capacity)) answerJson(response, { ok: true });
    const done = Math.min(capacity, running.length - good - ends.busy);
    await vi.waitFor(() => expect(ends.good).toBe(good + done), 10_000);
  };
  const turns = 20;
  for (let i = 0; i < turns; i++) await turn(3 * capacity);
  expect(ends.good).toBeGreaterThanOrEqual(0.8 * capacity * turns);
  expect(ends.busy).toBeGreaterThan(0);
  expect(most).toBe(capacity);

  // Three turns clear what waited; from then on everybody is served.
  for (let i = 0; i < queue / capacity + 1; i++) await turn(1);
  const { busy } = ends;
  for (let i = 0; i < 5; i++) await turn(capacity - 1);
  expect(ends.busy).toBe(busy);
  for (const response of held.splice(0)) answerJson(response, { ok: true });
  await Promise.all(running);
});
