import { connect } from "node:net";
import { cpuOf, resetPeak, peakRssOf, rssOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median } from "./pair.ts";
import { freePort } from "./process.ts";
import { legacyCall, startGateway, type Upstream } from "./target.ts";

/** What an answer costs by its size, and what others wait meanwhile. */
export interface RepliesRow {
  /** Raised: `limits.responseSize: 32MiB`, `maxTokens: 1000000`. */
  readonly limits: Limits;
  /** Of the API's answer, and of the reply to the client, which is cut or refused beyond limits. */
  readonly kb: number;
  readonly replyKb: number;
  readonly calls: number;
  /** CPU for each KB of the API's answer. */
  readonly microsPerKb: number;
  readonly p50Ms: number;
  /** What the most memory held during the calls exceeds that before them. */
  readonly grownMb: number;
  /** The longest that a small call beside them waited, and what it waits alone (p50). */
  readonly longestMs: number;
  readonly aloneMs: number;
}

type Limits = "default" | "raised";

interface Size {
  readonly limits: Limits;
  readonly kb: number;
  readonly calls: number;
  /** It is larger than an answer may be. */
  readonly refused?: boolean;
}

const sizes: readonly Size[] = [
  { limits: "default", kb: 1, calls: 2_000 },
  { limits: "default", kb: 100, calls: 150 },
  { limits: "default", kb: 1_000, calls: 50 },
  { limits: "default", kb: 20_000, calls: 50, refused: true },
  { limits: "raised", kb: 1_000, calls: 50 },
  { limits: "raised", kb: 20_000, calls: 20 },
];
const rounds = 3;
const againMs = 200;
/** Calls before those that count: the same answers, so that memory shows what one more adds. */
const warmCalls = 10;
/** Of `maxTokens`, less what may be cut before the first item that does not fit. */
const mostText: Readonly<Record<Limits, number>> = { default: 95_000, raised: 3_900_000 };

export async function measureReplies(upstream: Upstream): Promise<readonly RepliesRow[]> {
  const rows: RepliesRow[] = [];
  for (const size of sizes) {
    process.stderr.write(`replies of ${size.kb} KB, ${size.limits} limits …\n`);
    rows.push(await measureOne(upstream, size));
  }
  return rows;
}

async function measureOne(
  upstream: Upstream,
  { limits, kb, calls, refused = false }: Size,
): Promise<RepliesRow> {
  const port = await freePort();
  const config = limits === "default" ? "default-limits" : "checks-off";
  const gateway = await startGateway({ config, port, upstream });
  try {
    const bytes = kb * 1_000;
    const atLeast = refused ? 100 : Math.min(bytes, mostText[limits]);
    const small = legacyCall({ port });
    const large = legacyCall({ port, name: "get_bytes", args: { count: bytes } });
    const warm = { port, connections: 1, count: 2_000, request: small, expect: "Item 1" };
    const alone = await runLoad(warm);
    const plan = { port, request: large, atLeast, refused };
    await callInTurn(plan, Math.min(calls, warmCalls));
    const before = { cpu: cpuOf(gateway.pid), rss: rssOf(gateway.pid) };
    resetPeak(gateway.pid);
    const answers = await callInTurn(plan, calls);
    const cpu = cpuOf(gateway.pid) - before.cpu;
    const grown = peakRssOf(gateway.pid) - before.rss;
    // The least of the rounds: a neighbour on the machine can only add.
    let longestMs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) {
      const running = { done: false };
      const beside = watchSmall({ port, request: small, atLeast: 1_000, refused: false }, running);
      await callInTurn(plan, calls);
      running.done = true;
      longestMs = Math.min(longestMs, Math.max(...(await beside)));
    }
    return {
      limits,
      kb,
      replyKb: median(answers.map((answer) => answer.bytes)) / 1_000,
      calls,
      microsPerKb: cpu / calls / (bytes / 1_024),
      p50Ms: median(answers.map(({ ms }) => ms)),
      grownMb: grown / 2 ** 20,
      longestMs,
      aloneMs: median(alone.latencies),
    };
  } finally {
    await gateway.close();
  }
}

interface Calls {
  readonly port: number;
  readonly request: (index: number) => string;
  /** Bytes of an answer: fewer is an error. */
  readonly atLeast: number;
  /** The reply has to say that the answer is too large. */
  readonly refused: boolean;
}

interface Answer {
  readonly ms: number;
  readonly bytes: number;
}

async function callInTurn(calls: Calls, count: number): Promise<readonly Answer[]> {
  const caller = createCaller(calls);
  const answers: Answer[] = [];
  for (let i = 0; i < count; i++) answers.push(await caller.call(i));
  caller.close();
  return answers;
}

/** @returns How long each of the calls took, in ms. */
async function watchSmall(
  calls: Calls,
  running: { readonly done: boolean },
): Promise<readonly number[]> {
  const caller = createCaller(calls);
  const times: number[] = [];
  for (let i = 0; !running.done; i++) times.push((await caller.call(i)).ms);
  caller.close();
  return times;
}

/**
 * Calls on one connection and throws the answer away while it comes: a client that joined 20 MB
 * would make the small call beside it wait by itself.
 */
function createCaller({ port, request, atLeast, refused }: Calls): {
  readonly call: (index: number) => Promise<Answer>;
  readonly close: () => void;
} {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let fail: (error: Error) => void = () => {};
  socket.on("error", (error) => fail(error));
  return {
    call: (index) =>
      new Promise((resolve, reject) => {
        fail = reject;
        const sentAt = performance.now();
        let bytes = 0;
        let head = "";
        let tail = "";
        const onData = (chunk: Buffer): void => {
          bytes += chunk.length;
          if (head.length < 1_024) head += chunk.toString("latin1", 0, 1_024);
          tail = (tail + chunk.toString("latin1", Math.max(0, chunk.length - 64))).slice(-64);
          if (!isWhole(head, tail, bytes)) return;
          if (head.startsWith("HTTP/1.1 503") && head.includes('"overloaded"')) {
            // Turned away for want of time: asks again, and waits on.
            [bytes, head, tail] = [0, "", ""];
            setTimeout(() => socket.write(request(index)), againMs);
            return;
          }
          socket.off("data", onData);
          const isExpected = tail.includes('"isError"') === refused;
          if (bytes >= atLeast && head.startsWith("HTTP/1.1 200") && isExpected) {
            resolve({ ms: performance.now() - sentAt, bytes });
          } else reject(new Error(`got ${bytes} bytes: ${head.slice(0, 500)} … ${tail}`));
        };
        socket.on("data", onData);
        socket.write(request(index));
      }),
    close: () => socket.destroy(),
  };
}

function isWhole(head: string, tail: string, bytes: number): boolean {
  const bodyAt = head.indexOf("\r\n\r\n") + 4;
  if (bodyAt < 4) return false;
  const length = /^content-length: *(\d+)/im.exec(head.slice(0, bodyAt))?.[1];
  return length === undefined ? tail.endsWith("0\r\n\r\n") : bytes >= bodyAt + Number(length);
}
