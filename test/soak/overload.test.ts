import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { call, legacy, usual } from "../mcp/wire.ts";
import { answerJson } from "../world/api.ts";
import { world, type World } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
/** What the API can do: this many at once, each for this long. */
const places = 4;
const serviceMs = 100;
const roundMs = 3_000;

interface Round {
  readonly offered: number;
  readonly good: number;
  readonly refused: number;
  readonly broken: readonly string[];
}

/** Offers calls at a steady rate, whatever becomes of them. */
async function offer(at: World, perSecond: number, tokens: readonly string[]): Promise<Round> {
  const start = Date.now();
  const calls: Promise<string>[] = [];
  while (Date.now() < start + roundMs) {
    const due = ((Date.now() - start) / 1_000) * perSecond;
    while (calls.length < due) {
      const authorization = tokens[calls.length % tokens.length] ?? "";
      calls.push(callOnce(at, authorization));
    }
    await sleep(5);
  }
  const ended = await Promise.all(calls);
  return {
    offered: ended.length,
    good: ended.filter((end) => end === "good").length,
    refused: ended.filter((end) => end === "refused").length,
    broken: ended.filter((end) => end !== "good" && end !== "refused"),
  };
}

async function callOnce(at: World, authorization: string): Promise<string> {
  const response = await fetch(at.url, {
    method: "POST",
    headers: { ...usual, authorization },
    body: JSON.stringify(legacy("tools/call", call("list_orders")).body),
  });
  const text = await response.text();
  // Load shedding is told in HTTP, a full queue in the result.
  if (response.status === 503) return "refused";
  if (text.includes('"served":true')) return "good";
  return text.includes('"isError":true') ? "refused" : `${response.status} ${text}`;
}

test("R06 at three times what an API can do, at least 80 % of the peak is served, and all of it right after", async ({
  annotate,
  skip,
}) => {
  skip(process.env["MATRIX"] === undefined, "measures rates for nine seconds: npm run test:matrix");
  const at = await world({
    spec,
    credential: "none",
    extra: { top: `limits: {concurrency: ${places}, queue: 16, queueTimeout: 200ms}` },
  });
  let atOnce = 0;
  let most = 0;
  at.api.answer = async (_, response) => {
    most = Math.max(most, ++atOnce);
    await sleep(serviceMs);
    atOnce--;
    answerJson(response, { served: true });
  };
  const tokens = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => `Bearer ${await at.idp.token({ sub: `p${i}` })}`),
  );
  const capacity = (places / serviceMs) * 1_000;
  const peak = await offer(at, capacity, tokens);
  const before = process.memoryUsage().rss;
  const over = await offer(at, 3 * capacity, tokens);
  const grown = process.memoryUsage().rss - before;
  const after = await offer(at, capacity / 4, tokens);
  expect([...peak.broken, ...over.broken, ...after.broken]).toEqual([]);
  expect(over.good).toBeGreaterThanOrEqual(0.8 * peak.good);
  expect(over.good + over.refused).toBe(over.offered);
  expect(after).toMatchObject({ refused: 0, good: after.offered });
  expect(most).toBeLessThanOrEqual(places);
  expect(grown).toBeLessThan(200 * 1024 * 1024);
  await annotate(
    `${peak.good} of ${peak.offered} served at capacity, ${over.good} of ${over.offered} at three times that, ${after.good} of ${after.offered} right after; memory grew by ${Math.round(grown / 1024 / 1024)} MiB`,
    "observed",
  );
}, 60_000);
