import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { verifyText } from "../observe/audit.ts";
import { readRecords } from "../world/audit.ts";
import { answerJson } from "../world/api.ts";
import { whyMissing } from "../world/proxy.ts";
import { converse, revisions, type Asked } from "./conversation.ts";
import { startReplicas, type Replicas } from "./replicas.ts";

/** `npm run test:rolling` restarts all three ten times. */
const rounds = Number(process.env["ROUNDS"] ?? 1);
const callersPerRevision = 2;

interface Load {
  readonly asked: readonly Asked[];
  /** Ends after the conversations under way. */
  readonly stop: () => Promise<void>;
}

/** Callers of every revision, each conversation after the other. */
async function startLoad({ url, idp }: Replicas): Promise<Load> {
  const asked: Asked[] = [];
  const state = { running: true };
  let order = 0;
  const one = async (revision: (typeof revisions)[number], who: string): Promise<void> => {
    const authorization = `Bearer ${await idp.token({ sub: who })}`;
    while (state.running) {
      const orders = Array.from({ length: 8 }, () => `order-${++order}`);
      asked.push(...(await converse({ url, authorization, revision }, orders)));
      await sleep(5);
    }
  };
  const callers = revisions.flatMap((revision) =>
    Array.from({ length: callersPerRevision }, (_, i) => one(revision, `${revision}-${i}`)),
  );
  return {
    asked,
    async stop() {
      state.running = false;
      await Promise.all(callers);
    },
  };
}

test(
  `R04 three replicas restarted in turn ${rounds} times under load fail no call, and a killed one only those it had`,
  async ({ annotate, skip }) => {
    const wanted = process.env["ROUNDS"] ?? process.env["MATRIX"];
    skip(wanted === undefined, "takes a minute: npm run test:rolling");
    const missing = whyMissing("haproxy");
    skip(missing !== undefined, missing);
    const at = await startReplicas(3);
    at.api.answer = async ({ path }, response) => {
      await sleep(Math.random() * 20);
      answerJson(response, { path });
    };
    const load = await startLoad(at);
    // All three serve: long enough for conversations that meet all of them.
    await vi.waitUntil(() => load.asked.length >= 500, { timeout: 60_000, interval: 100 });
    const stoppedAt = Date.now();
    for (let round = 0; round < rounds; round++) {
      for (const replica of at.all) {
        const { child, ended } = replica.running();
        child.kill("SIGTERM");
        expect((await ended).code).toBe(0);
        await replica.start();
        await sleep(300);
      }
    }
    const graceful = load.asked.length;
    const [first] = at.all;
    const killedAt = Date.now();
    first?.running().child.kill("SIGKILL");
    await first?.running().ended;
    // Until then it may still have been given something.
    const diedAt = Date.now();
    await sleep(1_500);
    await first?.start();
    await sleep(500);
    await load.stop();

    const failed = load.asked.filter(({ problem }) => problem !== undefined);
    const shed = load.asked.reduce((sum, asked) => sum + asked.shed, 0);
    const inFlight = ({ startedAt, endedAt }: Asked): boolean =>
      startedAt <= diedAt && endedAt >= killedAt;
    const unexplained = failed.filter((asked) => !inFlight(asked));
    expect(unexplained.map((asked) => [asked.startedAt - killedAt, asked])).toEqual([]);
    expect(failed.length).toBeLessThanOrEqual(revisions.length * callersPerRevision);
    for (const revision of revisions) {
      expect(load.asked.filter((asked) => asked.revision === revision).length).toBeGreaterThan(10);
    }

    // Every answered call is in the log of one replica, once.
    const logs = await Promise.all(at.all.map((replica) => replica.auditText()));
    let recorded = 0;
    const servedBy = new Map<unknown, number>();
    for (const [replica, log] of logs.entries()) {
      expect(verifyText(log).findings.filter(({ kind }) => kind !== "torn_line")).toEqual([]);
      const text = log.slice(0, log.lastIndexOf("\n"));
      const calls = readRecords(text).filter(
        ({ event, outcome }) => event === "tool.call" && outcome === "success",
      );
      recorded += calls.length;
      for (const { mcp } of calls) {
        servedBy.set((mcp as { readonly request_id?: unknown }).request_id, replica);
      }
      expect(calls.length).toBeGreaterThan(0);
    }
    const answered = load.asked.filter(({ order, problem }) => order && problem === undefined);
    expect(recorded).toBeGreaterThanOrEqual(answered.length);
    expect(recorded).toBeLessThanOrEqual(answered.length + failed.length);
    // No conversation belongs to a replica.
    const spread = new Map<string, Set<number>>();
    const whole = new Set<string>();
    for (const { conversation, order, endedAt } of answered) {
      const replica = servedBy.get(order);
      if (replica === undefined) throw new Error(`${order} is in no log`);
      spread.set(conversation, (spread.get(conversation) ?? new Set()).add(replica));
      if (endedAt < stoppedAt) whole.add(conversation);
      else whole.delete(conversation);
    }
    const metOne = [...spread.values()].filter(({ size }) => size === 1).length;
    const metAll = [...whole].filter((one) => spread.get(one)?.size === at.all.length).length;
    await annotate(
      `${load.asked.length} requests of four revisions, ${graceful} of them over ${3 * rounds} graceful restarts: 0 failed, ${shed} turned away and repeated; ${failed.length} in flight on the killed process failed; ${recorded} records; of ${spread.size} conversations ${metOne} met one replica only; of ${whole.size} before the first restart ${metAll} met all three`,
      "observed",
    );
    expect(metOne).toBeLessThan(spread.size / 10);
    expect(metAll).toBeGreaterThan(whole.size / 2);
  },
  120_000 + rounds * 60_000,
);
