import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createRandom } from "../world/random.ts";
import { world, type World } from "../world/world.ts";
import { orders } from "./orders.ts";

/** `npm run test:reloads` asks for all of them. */
const reloads = Number(process.env["RELOADS"] ?? 40);
const mutations = Number(process.env["MUTATIONS"] ?? 50);
const callsPerSecond = 200;
const perTurn = 20;

function collectGarbage(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Watches and connections that were let go need a moment to be gone. */
async function openFiles(): Promise<number> {
  let last = Number.POSITIVE_INFINITY;
  for (;;) {
    const { length } = readdirSync("/proc/self/fd");
    if (length === last) return length;
    last = length;
    await sleep(200);
  }
}

/** Calls at a steady pace until told to stop; gives what went wrong. */
async function startCalls(at: World): Promise<{
  readonly stop: () => Promise<{ calls: number; faults: unknown[] }>;
}> {
  // One for all: a signature of its own would cost each more than the call.
  const authorization = `Bearer ${await at.idp.token()}`;
  const params = { name: "list_orders", arguments: {} };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  const ask = async (): Promise<void> => {
    const text = await (await at.post(body, { authorization })).text();
    if (!text.includes('"structuredContent":{"ok":true}')) throw new Error(text);
  };
  const faults: unknown[] = [];
  const running = new Set<Promise<void>>();
  let calls = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < (callsPerSecond * perTurn) / 1_000 && running.size < 64; i++) {
      calls++;
      const call = ask()
        .catch((error: unknown) => void faults.push(error))
        .finally(() => running.delete(call));
      running.add(call);
    }
  }, perTurn);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
      return { calls, faults };
    },
  };
}

test(
  `F42: ${reloads} reloads under load fail no call and leave nothing behind`,
  async () => {
    const at = await world({
      ...orders,
      extra: { top: "limits: {principalConcurrency: 64, queueTimeout: 60s}" },
    });
    const file = join(at.dir, "gateway.yaml");
    const good = await readFile(file, "utf8");
    const kinds = [
      { outcome: "applied", toolsChanged: false, text: (n: number) => `${good}# ${n}\n` },
      {
        outcome: "applied",
        toolsChanged: true,
        text: (n: number) =>
          `${good.replace("operation: list_orders", "$&\n      - operation: latest_order")}# ${n}\n`,
      },
      { outcome: "applied", toolsChanged: true, text: (n: number) => `${good}# ${n}\n` },
      { outcome: "refused", toolsChanged: false, text: (n: number) => `${good}oops${n}: 1\n` },
    ];
    const run = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const kind = kinds[n % kinds.length];
        if (kind === undefined) throw new TypeError("there are kinds");
        const { text, ...expected } = kind;
        await writeFile(file, text(n));
        expect(await at.gateway.reload()).toMatchObject(expected);
      }
    };
    const load = await startCalls(at);
    await run(12);
    const [heap, files] = [collectGarbage(), await openFiles()];
    await run(reloads - (reloads % kinds.length));
    const { calls, faults } = await load.stop();
    expect(faults).toEqual([]);
    expect(calls).toBeGreaterThan(reloads / 4);
    expect((await openFiles()) - files).toBeLessThan(64);
    // What the test itself keeps of each request is in it.
    expect((collectGarbage() - heap) / (reloads + calls)).toBeLessThan(16_384);
  },
  60_000 + reloads * 200,
);

/** One change at one place, as slips of an editor or of a template make them. */
function mutate(text: string, random: (below: number) => number): string {
  const lines = text.split("\n");
  const at = random(lines.length);
  const line = lines[at] ?? "";
  switch (random(6)) {
    case 0:
      return lines.toSpliced(at, 1).join("\n");
    case 1:
      return lines.toSpliced(at, 0, line).join("\n");
    case 2:
      return text.slice(0, random(text.length));
    case 3:
      return lines.toSpliced(at, 1, ` ${line}`).join("\n");
    case 4: {
      const place = random(text.length);
      return `${text.slice(0, place)}${"]{}:'\"&*!?"[random(10)]}${text.slice(place)}`;
    }
    default:
      return lines
        .toSpliced(
          at,
          1,
          line.replace(/[a-z]+/, (word) => `${word}x`),
        )
        .join("\n");
  }
}

test(
  `of ${mutations} mutated files none changes anything when it is refused`,
  async () => {
    const at = await world(orders);
    const file = join(at.dir, "gateway.yaml");
    const good = await readFile(file, "utf8");
    const list = async (): Promise<string> =>
      (await at.post({ jsonrpc: "2.0", id: 1, method: "tools/list" })).text();
    const [before, generation] = [await list(), at.gateway.snapshot.generation];
    const random = createRandom(20_261_126);
    const changed: string[] = [];
    let refused = 0;
    for (let n = 0; n < mutations; n++) {
      const text = mutate(good, random);
      await writeFile(file, text);
      const { outcome } = await at.gateway.reload();
      if (outcome === "refused") {
        refused++;
        const same = at.gateway.snapshot.generation === generation && (await list()) === before;
        if (!same || (await at.call("list_orders")).isError) changed.push(text);
      }
      await writeFile(file, good);
      await at.gateway.reload();
      expect(at.gateway.snapshot.generation).toBe(generation);
    }
    expect(changed).toEqual([]);
    expect(refused).toBeGreaterThan(mutations / 3);
  },
  60_000 + mutations * 1_000,
);
