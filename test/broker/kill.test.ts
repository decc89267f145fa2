import { setTimeout as wait } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { createHolder, keepRefreshing, refreshUntilAnswered, type Holder } from "./holder.ts";
import { plant } from "./plant.ts";
import { noRedis } from "./redis.ts";

// Programs are started and killed here. `npm run test:broker-kill` does it 200 times.
const kills = Number(process.env["KILLS"] ?? 3);
vi.setConfig({ testTimeout: 60_000 + kills * 20_000 });

const grace = 10_000;

/** Each of them once more from now on. */
async function everyoneRefreshed(holders: readonly Holder[]): Promise<void> {
  const before = holders.map(({ used }) => used.length);
  const waits = (): boolean => holders.some(({ used }, i) => used.length <= (before[i] ?? 0));
  while (waits() && holders.every(({ refused }) => refused.length === 0)) await wait(20);
}

function expectNoneRefused(
  holders: readonly Holder[],
  nodes: readonly { readonly said: () => string }[],
): void {
  const refused = holders.flatMap((holder) => holder.refused);
  expect(refused, nodes.map((node) => node.said()).join("\n")).toEqual([]);
}

test(`a node with LMDB that is killed ${kills} times under load keeps every refresh token`, async () => {
  const { url, nodes } = await plant({ store: "lmdb" });
  const [node] = nodes;
  const holders = await Promise.all(Array.from({ length: 8 }, () => createHolder(url)));
  let running = true;
  const loads = holders.map((holder) => keepRefreshing(holder, () => running, 5));
  for (let i = 0; i < kills; i++) {
    await everyoneRefreshed(holders);
    // Somewhere in the middle of the next ones.
    await wait(Math.random() * 100);
    await node?.kill();
    await node?.start();
  }
  await everyoneRefreshed(holders);
  // Those may have been used before the last kill, and the grace of these is not counted on here.
  await everyoneRefreshed(holders);
  running = false;
  await Promise.all(loads);
  // None lost: no client was ever told that its token is not good.
  expectNoneRefused(holders, nodes);
  // And none good twice: once the grace is over a used one is refused, and ends its family.
  await wait(grace + 2_500);
  for (const holder of holders) {
    const answer = await refreshUntilAnswered(
      url,
      holder.clientId,
      holder.used.at(-1)?.token ?? "",
    );
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect(await refreshUntilAnswered(url, holder.clientId, holder.token())).toMatchObject({
      status: 400,
    });
  }
});

test("three replicas on Redis: what starts on one ends on another, and killing one loses nothing", async ({
  skip,
}) => {
  skip(noRedis !== undefined, noRedis);
  const { url, nodes } = await plant({ store: "redis", nodes: 3 });
  // Every request of this login goes to the next replica in turn.
  const holders = await Promise.all(Array.from({ length: 20 }, () => createHolder(url)));
  const listed = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${holders[0]?.accessToken()}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
  });
  expect(listed.status).toBe(200);
  let running = true;
  const loads = holders.map((holder) => keepRefreshing(holder, () => running, 50));
  await everyoneRefreshed(holders);
  await nodes[1]?.kill();
  await everyoneRefreshed(holders);
  await nodes[1]?.start();
  await everyoneRefreshed(holders);
  running = false;
  await Promise.all(loads);
  expectNoneRefused(holders, nodes);
  for (const holder of holders) {
    const answer = await refreshUntilAnswered(url, holder.clientId, holder.token());
    expect(answer.status).toBe(200);
  }
});

test("Redis itself may be killed and come back", async ({ skip }) => {
  skip(noRedis !== undefined, noRedis);
  const { url, redis } = await plant({ store: "redis" });
  const holder = await createHolder(url);
  await redis?.kill();
  expect(await holder.refresh()).toBeUndefined();
  await redis?.start();
  await expect.poll(() => holder.refresh(), { timeout: 10_000, interval: 200 }).toBe(200);
});
