import { readdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { site, type Site } from "../cli/site.ts";
import { call, legacy, modern, usual } from "../mcp/wire.ts";
import { verifyText } from "../observe/audit.ts";
import { answerJson } from "../world/api.ts";
import { readRecords, type AuditRecord } from "../world/audit.ts";

/** `npm run test:soak` takes 20 minutes; SOAK, RATE and RELOAD are seconds, calls a second, seconds. */
const seconds = Number(process.env["SOAK"] ?? 8);
const perSecond = Number(process.env["RATE"] ?? 40);
const reloadEvery = Number(process.env["RELOAD"] ?? 1);
const faultShare = 0.05;

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

async function callOnce(at: Site, n: number, authorization: string): Promise<Ended> {
  const order = `order-${n}`;
  const { body, headers } = (n % 2 === 0 ? legacy : modern)(
    "tools/call",
    call("add_item", { orderId: order, body: { sku: order }, expand: ["a"] }),
    n,
  );
  const startedAt = Date.now();
  const ask = (): Promise<Response> =>
    fetch(at.url, {
      method: "POST",
      headers: { ...usual, ...(headers as Record<string, string>), authorization },
      body: JSON.stringify(body),
    });
  try {
    let response = await ask();
    // No time for it, and nothing done: it comes back as it is asked to.
    while (response.status === 503) {
      shed++;
      await response.text();
      await sleep(1_000);
      response = await ask();
    }
    const text = await response.text();
    if (response.status !== 200) return { order, problem: `HTTP ${response.status} ${text}` };
    const right = !text.includes('"isError":true') && text.includes(order);
    return { order, problem: right ? undefined : text };
  } catch (error) {
    const cause = String((error as Error).cause ?? error);
    return { order, problem: `no answer after ${Date.now() - startedAt} ms: ${cause}` };
  }
}

interface Sample {
  readonly at: number;
  readonly heap: number;
  readonly descriptors: number;
}

/** Of the process, from its own metrics and from the system. */
async function sample(admin: string, pid: number): Promise<Sample> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const heap = Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)?.[1]);
  return { at: Date.now(), heap, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Bytes an hour, by least squares over the least of each tenth: what garbage collection leaves. */
function slopeOf(samples: readonly Sample[]): number {
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const points = Array.from({ length: Math.floor(samples.length / tenth) }, (_, i) =>
    samples
      .slice(i * tenth, (i + 1) * tenth)
      .reduce((least, next) => (next.heap < least.heap ? next : least)),
  ).slice(2);
  const mean = (of: (point: Sample) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [at, heap] = [mean((point) => point.at), mean((point) => point.heap)];
  const spread = points.reduce((sum, point) => sum + (point.at - at) ** 2, 0);
  const together = points.reduce((sum, point) => sum + (point.at - at) * (point.heap - heap), 0);
  return (together / spread) * 3_600_000;
}

interface Logged {
  readonly findings: readonly object[];
  /** Of calls. */
  readonly results: readonly AuditRecord[];
  readonly refused: readonly AuditRecord[];
  /** What was no call at all, as its reasons. */
  readonly rejected: readonly unknown[];
  readonly reloads: number;
}

function readLog(text: string): Logged {
  const records = readRecords(text);
  const results = records.filter(({ event, phase }) => event === "tool.call" && phase === "result");
  return {
    findings: verifyText(text).findings,
    results,
    refused: results.filter(({ outcome }) => outcome !== "success"),
    rejected: records
      .filter(({ event }) => event === "request.reject" || event === "auth.deny")
      .filter(({ reason }) => reason !== "overloaded")
      .map(({ reason }) => reason),
    reloads: records.filter(({ event }) => event === "config.reload").length,
  };
}

const inMiB = (bytes: number): number => Math.round(bytes / 1024 / 1024);

test(
  `R05, S90: ${seconds} s with 5 % random faults and a reload every ${reloadEvery} s have no unexplained error`,
  async ({ annotate }) => {
    const at = await site();
    // Callers, API and gateway share this machine: what its load holds up is no fault of the API, and
    // must open no breaker.
    const patient = "    timeout: 20s\n    timeouts: {headers: 20s}\n    breaker: false\n    spec:";
    await at.edit("gateway.yaml", (text) => text.replace("    spec:", patient));
    const faulted = new Map<string, string>();
    at.api.answer = ({ path, body }, response) => {
      const order = path.split("/")[3] ?? "";
      if (Math.random() >= faultShare) {
        answerJson(response, { order, got: JSON.parse(body) as unknown });
        return;
      }
      const kinds = Object.keys(faults);
      const kind = kinds[Math.floor(Math.random() * kinds.length)] ?? "";
      faulted.set(order, kind);
      faults[kind]?.(response);
    };
    const server = at.start(["serve"]);
    await server.until("stderr", '"listening"');
    const yaml = readFileSync(join(at.dir, "gateway.yaml"), "utf8");
    const admin = `http://${/admin: \{listen: "([^"]+)"/.exec(yaml)?.[1] ?? ""}`;
    const tokens = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const claims = { sub: `person-${i}`, exp: Math.floor(Date.now() / 1000) + 7_200 };
        return `Bearer ${await at.idp.token(claims)}`;
      }),
    );

    const samples: Sample[] = [];
    const calls: Promise<Ended>[] = [];
    const ended: Ended[] = [];
    const start = Date.now();
    let reloads = 0;
    let nextReload = start + reloadEvery * 1_000;
    while (Date.now() < start + seconds * 1_000) {
      const due = ((Date.now() - start) / 1_000) * perSecond;
      while (calls.length < due) {
        const n = calls.length;
        const one = callOnce(at, n, tokens[n % tokens.length] ?? "");
        calls.push(one);
        void one.then((end) => ended.push(end));
      }
      if (Date.now() >= nextReload) {
        nextReload += reloadEvery * 1_000;
        // Every third is broken, and changes nothing.
        const more = ++reloads % 3 === 0 ? "apis: broken\n" : `# reload ${reloads}\n`;
        await at.edit("gateway.yaml", () => yaml + more);
        server.child.kill("SIGHUP");
      }
      if (samples.length < (Date.now() - start) / 250) {
        samples.push(await sample(admin, server.child.pid ?? 0));
      }
      await sleep(10);
    }
    await Promise.all(calls);
    await at.edit("gateway.yaml", () => yaml);
    await sleep(500);
    samples.push(await sample(admin, server.child.pid ?? 0));
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);

    const log = readLog(await at.auditText());
    expect(log.rejected).toEqual([]);
    const failed = ended.filter(({ problem }) => problem !== undefined);
    expect(failed.filter(({ order }) => !faulted.has(order))).toEqual([]);
    expect(log.findings).toEqual([]);
    expect(log.results).toHaveLength(calls.length);
    expect(log.refused).toHaveLength(failed.length);
    expect(log.reloads).toBeGreaterThan(0);
    const [first, last] = [samples[0]!, samples.at(-1)!];
    // Connections come and go with the load; none of them stays.
    const early = samples.slice(0, Math.ceil(samples.length / 2));
    const most = Math.max(...early.map(({ descriptors }) => descriptors));
    expect(last.descriptors).toBeLessThanOrEqual(most);
    const slope = slopeOf(samples) / 1024 / 1024;
    await annotate(
      `${calls.length} calls in ${seconds} s, ${faulted.size} faults, ${failed.length} explained errors, ${reloads} reloads, ${shed} shed and repeated; ${log.results.length} records; heap ${inMiB(first.heap)} to ${inMiB(last.heap)} MiB, slope ${slope.toFixed(1)} MiB/h; descriptors ${last.descriptors}, at most ${most} in the first half`,
      "observed",
    );
  },
  seconds * 1_000 + 120_000,
);
