import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { createHolder, refreshUntilAnswered, type Holder } from "./holder.ts";
import { plant } from "./plant.ts";
import { noRedis } from "./redis.ts";

/** `npm run test:broker-load` sends 200 token requests a second for half a minute. */
const asked = process.env["RATE"];
const rate = Number(asked ?? 20);
const seconds = Number(process.env["SECONDS"] ?? 3);
const holderCount = Math.max(10, rate / 2);
const kills = Math.max(1, Math.floor(seconds / 10));

interface Sent {
  readonly answered: number;
  /** Broken off, or refused by a gateway with too much to do. */
  readonly unanswered: number;
  readonly perSecond: number;
}

/** Token requests at their due times, whether or not the earlier ones are answered. */
async function sendAtRate(
  holders: readonly Holder[],
  total: number,
  onSent: (count: number) => Promise<void> | undefined,
): Promise<Sent> {
  const idle = [...holders];
  const underWay = new Set<Promise<void>>();
  const duties: Promise<void>[] = [];
  const counts = { answered: 0, unanswered: 0 };
  const startedAt = performance.now();
  for (let count = 0; count < total;) {
    const due = startedAt + (count * 1000) / rate - performance.now();
    const holder = due > 0 ? undefined : idle.shift();
    if (holder === undefined) {
      await wait(Math.max(1, due));
      continue;
    }
    count += 1;
    const sending = holder.refresh().then((status) => {
      counts[status === undefined ? "unanswered" : "answered"] += 1;
      underWay.delete(sending);
      idle.push(holder);
      return undefined;
    });
    underWay.add(sending);
    const duty = onSent(count);
    if (duty !== undefined) duties.push(duty);
  }
  const perSecond = (total * 1000) / (performance.now() - startedAt);
  await Promise.all([...underWay, ...duties]);
  return { ...counts, perSecond };
}

test(
  `kill -9 of one of three replicas on Redis, ${kills} times during ${rate} token requests a second, loses no grant`,
  async ({ annotate, skip }) => {
    skip(noRedis !== undefined, noRedis);
    const { url, nodes } = await plant({ store: "redis", nodes: 3 });
    const holders: Holder[] = [];
    while (holders.length < holderCount)
      holders.push(...(await Promise.all(Array.from({ length: 5 }, () => createHolder(url)))));
    const total = rate * seconds;
    const part = Math.floor(total / (2 * kills + 1));
    const sent = await sendAtRate(holders, total, (count) => {
      const turn = count / part;
      if (!Number.isInteger(turn) || turn > 2 * kills) return undefined;
      // Each in its turn dies at an odd one and comes back at the next.
      const node = nodes[Math.floor((turn - 1) / 2) % nodes.length];
      return turn % 2 === 1 ? node?.kill() : node?.start();
    });
    const said = (): string => nodes.map((node) => node.said()).join("\n");
    expect(
      holders.flatMap(({ refused }) => refused),
      said(),
    ).toEqual([]);
    // The token that each client holds is good, wherever it goes with it.
    for (const holder of holders) {
      const answer = await refreshUntilAnswered(url, holder.clientId, holder.token());
      expect(answer.status, said()).toBe(200);
    }
    expect(sent.answered).toBeGreaterThan(total / 2);
    const line = `${total} token requests, ${sent.perSecond.toFixed(1)} a second, over ${holders.length} grants: ${sent.answered} answered, ${sent.unanswered} sent again`;
    await annotate(line, "observed");
    if (asked === undefined) return;
    process.stdout.write(`${line}\n`);
    // The claim is about this many; a machine that cannot send them shows nothing.
    expect(sent.perSecond).toBeGreaterThan(rate * 0.95);
  },
  120_000 + seconds * 3_000,
);
