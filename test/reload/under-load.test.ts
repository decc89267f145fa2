import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Program } from "../cli/program.ts";
import { site } from "../cli/site.ts";
import { createCaller, type Caller } from "../load/caller.ts";
import {
  createMemory,
  fewestDescriptors,
  growthOf,
  inMiB,
  tenths,
  type Sample,
} from "../load/memory.ts";
import { startPace } from "../load/pace.ts";
import { call, legacy, usual } from "../mcp/wire.ts";
import { createRandom } from "../world/random.ts";
import { freePort, world } from "../world/world.ts";
import { orders } from "./orders.ts";

/** `npm run test:reloads` asks for all of them, and only there rate and growth are judged. */
const reloads = Number(process.env["RELOADS"] ?? 40);
const mutations = Number(process.env["MUTATIONS"] ?? 50);
const judged = process.env["RELOADS"] !== undefined;
const callsPerSecond = 200;
const leastPerSecond = 190;
/** Bytes of heap that a reload may leave behind, by the slope: 1,000 of them less than a MiB. */
const maxLeft = 1_024;
const sampleEvery = judged ? 10 : 2;

interface Made {
  /** undefined: the right answer. */
  readonly problem: string | undefined;
  /** How often it was turned away before. */
  readonly shed: number;
}

async function callOnce(
  { post }: Pick<Caller, "post">,
  nth: number,
  authorization: string,
): Promise<Made> {
  const order = `order-${nth}`;
  const asked =
    nth % 2 === 0
      ? call("list_orders")
      : call("add_item", { orderId: order, body: { sku: order }, expand: ["a"] });
  for (let shed = 0; ; shed++) {
    const { status, text } = await post(legacy("tools/call", asked, nth).body, {
      ...usual,
      authorization,
    });
    if (status === 503) {
      await sleep(1_000);
      continue;
    }
    const good = status === 200 && text.includes('"structuredContent":{"ok":true}');
    return { problem: good ? undefined : `${status} ${text}`, shed };
  }
}

/** Lines of the log that tell how a reload went. */
function readReports({ output }: Program): readonly object[] {
  return output()
    .stderr.split("\n")
    .filter((line) => /"config_(reloaded|refused)"/.test(line))
    .map((line) => JSON.parse(line) as object);
}

test(
  `F42: ${reloads} reloads at ${callsPerSecond} calls/s fail no call and leave nothing behind`,
  async ({ annotate }) => {
    const at = await site();
    const memory = createMemory({ dir: at.dir });
    const server = at.start(["serve", "--no-watch"], memory.env);
    await server.until("stderr", '"listening"');
    const tokens = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => `Bearer ${await at.idp.token({ sub: `p${i}` })}`),
    );
    const authorizationOf = (nth: number): string => tokens[nth % tokens.length] ?? "";
    at.api.answer = (_, response) => {
      // More of them than the memory of this process should hold.
      if (at.api.requests.length > 1_000) at.api.requests.length = 0;
      response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
    };
    const first = createCaller(at.url);
    await callOnce(first, 0, authorizationOf(0));
    await first.close();
    const atRest = await fewestDescriptors(server, { atMost: 0, seconds: 6 });

    const good = await readFile(join(at.dir, "gateway.yaml"), "utf8");
    const reloaded = { msg: "config_reloaded" };
    const kinds = [
      { text: (n: number) => `${good}# ${n}\n`, report: { ...reloaded, tools_changed: false } },
      {
        text: (n: number) =>
          good.replace("- operation: add_item", `$&\n        description: Version ${n}.`),
        report: { ...reloaded, tools_changed: true },
      },
      { text: (n: number) => `${good}# ${n}\n`, report: { ...reloaded, tools_changed: true } },
      { text: (n: number) => `${good}oops${n}: 1\n`, report: { msg: "config_refused" } },
    ];
    const reload = async (nth: number): Promise<void> => {
      const kind = kinds[nth % kinds.length];
      if (kind === undefined) throw new TypeError("there are kinds");
      await at.edit("gateway.yaml", () => kind.text(nth));
      server.child.kill("SIGHUP");
      let reports = readReports(server);
      while (reports.length <= nth) {
        await sleep(5);
        reports = readReports(server);
      }
      expect(reports.at(-1)).toMatchObject(kind.report);
    };
    const caller = createCaller(at.url, 64);
    const load = startPace(callsPerSecond, (nth) => callOnce(caller, nth, authorizationOf(nth)));
    const samples: Sample[] = [];
    for (let n = 0; n < reloads; n++) {
      await reload(n);
      if (n % sampleEvery === 0) samples.push(await memory.sample(server));
    }
    const { ends, perSecond } = await load.stop();
    await caller.close();
    expect(ends.filter(({ problem }) => problem !== undefined)).toEqual([]);
    expect(ends.length).toBeGreaterThan(reloads);
    const shed = ends.reduce((sum, next) => sum + next.shed, 0);
    const left = await fewestDescriptors(server, { atMost: atRest, seconds: 30 });
    expect(left).toBeLessThanOrEqual(atRest);
    // What the engine learns goes on growing for some 600 reloads; a step between two samples is so many.
    const warm = samples.slice(Math.ceil(samples.length * 0.6));
    const steps = warm.map((sample, i) => ({ ...sample, at: i * sampleEvery * 3_600_000 }));
    const { perHour: leftByOne, error } = growthOf(steps, ({ heap }) => heap);
    await annotate(
      `${ends.length} calls at ${perSecond.toFixed(0)}/s over ${reloads} reloads, none failed, ${shed} turned away and repeated; heap ${inMiB(warm[0]?.heap ?? 0)} to ${inMiB(warm.at(-1)?.heap ?? 0)} MiB, ${leftByOne.toFixed(0)} ± ${(2 * error).toFixed(0)} bytes a reload, by tenths ${tenths(samples)}; descriptors ${atRest} before, ${left} after`,
      "observed",
    );
    if (!judged) return;
    // Who is told to come back was not served: a machine that has the time turns nobody away.
    expect(shed).toBe(0);
    expect(perSecond).toBeGreaterThanOrEqual(leastPerSecond);
    expect(leftByOne).toBeLessThan(maxLeft);
  },
  120_000 + reloads * 300,
);

/** `npm run test:reloads` asks for more of them, and only there growth is judged. */
const moves = Number(process.env["MOVES"] ?? 20);
const movesJudged = process.env["MOVES"] !== undefined;
/** A listener that is let go and not collected would leave some hundred thousand. */
const maxLeftByMove = 8_192;

test(
  `F46: ${moves} moves of the listener at 100 calls/s fail no call and leave nothing behind`,
  async ({ annotate }) => {
    const at = await site();
    // Longer than this process could be kept from noticing a move; the move back ends it.
    await at.edit("gateway.yaml", (text) =>
      text.replace(/^server: \{/m, "server: {drain: {delay: 10s}, "),
    );
    const memory = createMemory({ dir: at.dir });
    const server = at.start(["serve", "--no-watch"], memory.env);
    await server.until("stderr", '"listening"');
    const authorization = `Bearer ${await at.idp.token()}`;
    at.api.answer = (_, response) => {
      if (at.api.requests.length > 1_000) at.api.requests.length = 0;
      response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
    };
    const first = createCaller(at.url, 8);
    await callOnce(first, 0, authorization);
    await first.close();
    const atRest = await fewestDescriptors(server, { atMost: 0, seconds: 6 });
    let [current, next] = [Number(new URL(at.url).port), await freePort()];
    let caller = createCaller(at.url, 8);
    // Who was turned away comes again to where it listens by then.
    const there: Pick<Caller, "post"> = { post: (body, headers) => caller.post(body, headers) };
    const load = startPace(100, (nth) =>
      callOnce(there, nth, authorization).catch((error: unknown) => ({
        problem: String(error),
        shed: 0,
      })),
    );
    const samples: Sample[] = [];
    const moved = (): number => server.output().stderr.split('"listener_moved"').length - 1;
    for (let n = 0; n < moves; n++) {
      await at.edit("gateway.yaml", (text) =>
        text.replace(/^server: \{(listen: \d+, )?/m, `server: {listen: ${next}, `),
      );
      server.child.kill("SIGHUP");
      while (moved() <= n) await sleep(5);
      [current, next] = [next, current];
      const before = caller;
      caller = createCaller(`http://127.0.0.1:${current}/mcp`, 8);
      // Calls that were begun over there go on.
      await before.close();
      samples.push(await memory.sample(server));
    }
    const { ends, perSecond } = await load.stop();
    await caller.close();
    expect(ends.filter(({ problem }) => problem !== undefined)).toEqual([]);
    expect(ends.length).toBeGreaterThan(moves);
    const left = await fewestDescriptors(server, { atMost: atRest, seconds: 30 });
    expect(left).toBeLessThanOrEqual(atRest);
    const warm = samples.slice(Math.ceil(samples.length * 0.4));
    const steps = warm.map((sample, i) => ({ ...sample, at: i * 3_600_000 }));
    const { perHour: leftByOne, error } = growthOf(steps, ({ heap }) => heap);
    await annotate(
      `${ends.length} calls at ${perSecond.toFixed(0)}/s over ${moves} moves, none failed; heap ${inMiB(warm[0]?.heap ?? 0)} to ${inMiB(warm.at(-1)?.heap ?? 0)} MiB, ${leftByOne.toFixed(0)} ± ${(2 * error).toFixed(0)} bytes a move, by tenths ${tenths(samples)}; descriptors ${atRest} before, ${left} after`,
      "observed",
    );
    if (!movesJudged) return;
    expect(leftByOne).toBeLessThan(maxLeftByMove);
  },
  120_000 + moves * 3_000,
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
