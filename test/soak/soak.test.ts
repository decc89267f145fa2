import { createReadStream, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createVerifier } from "../../src/observe/verify.ts";
import { site } from "../cli/site.ts";
import { createCaller, type Caller } from "../load/caller.ts";
import {
  createMemory,
  fewestDescriptors,
  inMiB,
  slopeOf,
  tenths,
  type Sample,
} from "../load/memory.ts";
import { startPace } from "../load/pace.ts";
import { call, legacy, modern, usual } from "../mcp/wire.ts";
import { answerJson } from "../world/api.ts";
import type { AuditRecord } from "../world/audit.ts";
import { leaksToken } from "../world/world.ts";

/** `npm run test:soak` takes 20 minutes; SOAK, RATE and RELOAD are seconds, calls a second, seconds. */
const seconds = Number(process.env["SOAK"] ?? 5);
const perSecond = Number(process.env["RATE"] ?? 40);
const reloadEvery = Number(process.env["RELOAD"] ?? 1);
const faultShare = 0.05;
const sampleEvery = 5;
const shortest = 240;
/** What caches, compiled code and connections need; no growth of these counts. */
const warmShare = 0.25;
/** Of the whole heap, buffers included. A leak of 10 bytes a call would be 3.4 MiB an hour at 100 calls/s. */
const maxSlope = 2 * 1_048_576;

const faults: Readonly<Record<string, (response: ServerResponse) => void>> = {
  reset: (response) => void response.socket?.resetAndDestroy(),
  unavailable: (response) => answerJson(response, { title: "busy" }, 503),
  failure: (response) => answerJson(response, { title: "broken" }, 500),
  silence: () => {},
  garbage: (response) => void response.socket?.end("SSH-2.0-x\r\n\r\n"),
  half: (response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
    response.write('{"half":');
    setTimeout(() => response.socket?.destroy(), 5);
  },
};

interface Ended {
  readonly order: string;
  /** undefined: the right answer. */
  readonly problem: string | undefined;
}

/** Requests that were answered 503 before anything was done. */
let shed = 0;

/** Every other call changes something, every other is of each era. */
async function callOnce({ post }: Caller, n: number, authorization: string): Promise<Ended> {
  const order = `order-${n}`;
  const asked =
    n % 4 < 2
      ? call("add_item", { orderId: order, body: { sku: order }, expand: ["a"] })
      : call("get_order", { orderId: order });
  const { body, headers } = (n % 2 === 0 ? legacy : modern)("tools/call", asked, n);
  const startedAt = Date.now();
  const ask = (): ReturnType<Caller["post"]> => post(body, { ...usual, ...headers, authorization });
  try {
    let { status, text } = await ask();
    // No time for it, and nothing done: it comes back as it is asked to.
    while (status === 503) {
      shed++;
      await sleep(1_000);
      ({ status, text } = await ask());
    }
    if (status !== 200) return { order, problem: `HTTP ${status} ${text}` };
    const right = !text.includes('"isError":true') && text.includes(order);
    return { order, problem: right ? undefined : text };
  } catch (error) {
    const cause = String(error);
    return { order, problem: `no answer after ${Date.now() - startedAt} ms: ${cause}` };
  }
}

interface Logged {
  readonly findings: readonly object[];
  /** How often each call ended, and how, by its number. */
  readonly ends: ReadonlyMap<number, readonly string[]>;
  /** Announced calls. */
  readonly intents: number;
  /** Requests that were sent to the API. */
  readonly attempts: number;
  /** Requests that were turned away. */
  readonly shed: number;
  /** What was neither a call nor turned away. */
  readonly others: readonly string[];
  readonly reloads: Readonly<Record<string, number>>;
}

/** Line by line: the log of 20 minutes is larger than a text can be. */
async function readLog(file: string): Promise<Logged> {
  const verifier = createVerifier({ key: undefined, anchors: [] });
  const ends = new Map<number, string[]>();
  const others: string[] = [];
  const counts = { intents: 0, attempts: 0, shed: 0 };
  const reloads: Record<string, number> = { success: 0, failure: 0 };
  const read = (record: AuditRecord): void => {
    const { event, phase, outcome, reason } = record;
    if (event === "tool.call" && phase === "intent") counts.intents++;
    else if (event === "tool.call") {
      const { request_id: id } = record["mcp"] as { readonly request_id: string | number };
      const { attempts = 0 } = (record["upstream"] ?? {}) as { readonly attempts?: number };
      counts.attempts += attempts;
      ends.set(Number(id), [...(ends.get(Number(id)) ?? []), String(outcome)]);
    } else if (reason === "overloaded") counts.shed += Number(record["count"] ?? 1);
    else if (event === "config.reload") {
      reloads[String(outcome)] = (reloads[String(outcome)] ?? 0) + 1;
    } else if (event === "request.reject" || event === "auth.deny") others.push(String(reason));
  };
  for await (const line of createInterface({ input: createReadStream(file) })) {
    verifier.line(line);
    read(JSON.parse(line) as AuditRecord);
  }
  verifier.tail("");
  return { ...counts, findings: verifier.report().findings, ends, others, reloads };
}

test(
  `R05, S90: ${seconds} s with 5 % random faults and a reload every ${reloadEvery} s have no unexplained error`,
  async ({ annotate }) => {
    const at = await site();
    const read = "  /orders/{orderId}:\n    get:\n      operationId: get_order\n";
    const name = "parameters: [{name: orderId, in: path, required: true, schema: {type: string}}]";
    await at.edit("shop.yaml", (text) =>
      text.replace("  /orders/{orderId}:\n", `${read}      ${name}\n`),
    );
    // Callers, API and gateway share this machine: what its load holds up is no fault of the API.
    const patient = "    timeout: 8s\n    timeouts: {connect: 5s, headers: 8s}\n    spec:";
    await at.edit("gateway.yaml", (text) => text.replace("    spec:", patient));
    const tokens = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        at.idp.token({ sub: `person-${i}`, exp: Math.floor(Date.now() / 1000) + 7_200 }),
      ),
    );
    const faulted = new Map<string, string>();
    const kinds = Object.keys(faults);
    let received = 0;
    at.api.answer = (seen, response) => {
      received++;
      // Hundreds of thousands of them would fill the memory of this process.
      at.api.requests.length = 0;
      const leaked = tokens.filter((token) => leaksToken(JSON.stringify(seen), token));
      if (leaked.length > 0) throw new Error("an access token of a caller got to the API");
      const order = seen.path.split("/")[3] ?? "";
      if (Math.random() >= faultShare) {
        answerJson(response, { order, got: seen.body });
        return;
      }
      const kind = kinds[Math.floor(Math.random() * kinds.length)] ?? "";
      faulted.set(order, kind);
      faults[kind]?.(response);
    };
    const memory = createMemory(at.dir);
    const server = at.start(["serve", "--no-watch"], memory.env);
    await server.until("stderr", '"listening"');
    const first = createCaller(at.url);
    await callOnce(first, -1, `Bearer ${tokens[0]}`);
    await first.close();
    const atRest = await fewestDescriptors(server, { atMost: 0, seconds: 6 });

    const yaml = readFileSync(join(at.dir, "gateway.yaml"), "utf8");
    const contents = [
      (n: number) => `${yaml}# reload ${n}\n`,
      (n: number) => yaml.replace("- operation: add_item", `$&\n        description: Version ${n}`),
      (n: number) => `${yaml}apis: broken ${n}\n`,
    ];
    const samples: Sample[] = [];
    const start = Date.now();
    const caller = createCaller(at.url, 64);
    const load = startPace(perSecond, (n) =>
      callOnce(caller, n, `Bearer ${tokens[n % tokens.length] ?? ""}`),
    );
    let reloads = 0;
    const reported = (): number =>
      server.output().stderr.match(/"config_(?:reloaded|refused)"/g)?.length ?? 0;
    while (Date.now() < start + seconds * 1_000) {
      const elapsed = Date.now() - start;
      // The next one when the last has ended: two changes in one reading would be one.
      if (elapsed > (reloads + 1) * reloadEvery * 1_000 && reported() === reloads) {
        const text = contents[reloads % contents.length]?.(++reloads) ?? "";
        await at.edit("gateway.yaml", () => text);
        server.child.kill("SIGHUP");
      }
      if (elapsed > samples.length * sampleEvery * 1_000) {
        samples.push(await memory.sample(server));
      }
      await sleep(50);
    }
    const { ends: ended, perSecond: rate } = await load.stop();
    await caller.close();
    const left = await fewestDescriptors(server, { atMost: atRest, seconds: 30 });
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);

    const log = await readLog(join(at.dir, "audit", "audit.ndjson"));
    const failed = ended.filter(({ problem }) => problem !== undefined);
    const warm = samples.slice(Math.ceil(samples.length * warmShare));
    const slope = slopeOf(warm, ({ heap }) => heap);
    await annotate(
      `${ended.length} calls in ${seconds} s (${rate.toFixed(0)}/s), ${faulted.size} faults, ${failed.length} errors, ${reloads} reloads, ${shed} shed and repeated; ${log.ends.size} ends and ${log.attempts} requests recorded, ${received} received; heap ${inMiB(warm[0]?.heap ?? 0)} to ${inMiB(warm.at(-1)?.heap ?? 0)} MiB, slope ${inMiB(slope)} MiB/h, by tenths ${tenths(samples)}; descriptors ${atRest} before, ${left} after`,
      "observed",
    );
    expect(log.findings).toEqual([]);
    expect(log.others).toEqual([]);
    expect(failed.filter(({ order }) => !faulted.has(order))).toEqual([]);
    // Every call has one record of how it ended, and it says what the caller saw.
    const differing = ended.filter(({ problem }, n) => {
      const [outcome, ...more] = log.ends.get(n) ?? [];
      return more.length > 0 || outcome !== (problem === undefined ? "success" : "failure");
    });
    expect(differing).toEqual([]);
    expect(log.ends.size).toBe(ended.length + 1);
    expect(log.attempts).toBe(received);
    expect(log.shed).toBe(shed);
    expect(log.reloads).toEqual({
      success: reloads - Math.floor(reloads / 3),
      failure: Math.floor(reloads / 3),
    });
    expect(left).toBeLessThanOrEqual(atRest);
    // A short run shows what warms up, not what leaks.
    expect(seconds < shortest ? 0 : slope).toBeLessThan(maxSlope);
  },
  seconds * 1_000 + 300_000,
);
