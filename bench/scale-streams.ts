import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuOf, rssOf } from "./cpu.ts";
import { runLoad } from "./load.ts";
import { median } from "./pair.ts";
import { freePort } from "./process.ts";
import { legacyCall, listenRequest, startGateway, type Upstream } from "./target.ts";

/** Clients that only listen for changes of the tools (2026-07-28). */
export interface StreamsResult {
  readonly wanted: number;
  readonly open: number;
  /** Why not all of them; null: all are open. */
  readonly refusal: string | null;
  readonly openMs: number;
  readonly rssBeforeMb: number;
  readonly rssMb: number;
  /** CPU of one second in which nothing happens but what keeps the streams open. */
  readonly idleMicrosPerSecond: number;
  /** A call with none open, and beside them. */
  readonly callBeforeMs: number;
  readonly callMs: number;
}

const inFlight = 200;
/** Long enough to hold the keep-alive comments of every stream. */
const idleMs = 20_000;

export async function measureStreams(upstream: Upstream, wanted: number): Promise<StreamsResult> {
  process.stderr.write(`${wanted} listening clients …\n`);
  const port = await freePort();
  const gateway = await startGateway({ config: "checks-off", port, upstream });
  const call = {
    port,
    connections: 1,
    count: 1_000,
    request: legacyCall({ port }),
    expect: "Item 1",
  };
  const sockets: Socket[] = [];
  try {
    const callBeforeMs = median((await runLoad(call)).latencies);
    const rssBeforeMb = rssOf(gateway.pid) / 2 ** 20;
    const startedAt = performance.now();
    const refusal = await openStreams({ port, wanted }, sockets);
    const openMs = performance.now() - startedAt;
    const before = cpuOf(gateway.pid);
    await sleep(idleMs);
    const idleMicrosPerSecond = (cpuOf(gateway.pid) - before) / (idleMs / 1_000);
    const rssMb = rssOf(gateway.pid) / 2 ** 20;
    const callMs = median((await runLoad(call)).latencies);
    const open = sockets.filter(({ destroyed }) => !destroyed).length;
    const memory = { rssBeforeMb, rssMb };
    return { wanted, open, refusal, openMs, ...memory, idleMicrosPerSecond, callBeforeMs, callMs };
  } finally {
    for (const socket of sockets) socket.destroy();
    await gateway.close();
  }
}

/** @returns Why one was not opened; the rest is then not tried. */
async function openStreams(
  { port, wanted }: { readonly port: number; readonly wanted: number },
  sockets: Socket[],
): Promise<string | null> {
  const request = listenRequest(port);
  while (sockets.length < wanted) {
    const batch = Math.min(inFlight, wanted - sockets.length);
    const opened = await Promise.allSettled(
      Array.from({ length: batch }, (_, i) => openStream(port, request(sockets.length + i))),
    );
    for (const one of opened) if (one.status === "fulfilled") sockets.push(one.value);
    const refused = opened.find((one) => one.status === "rejected");
    if (refused) return String(refused.reason).slice(0, 300);
  }
  return null;
}

function openStream(port: number, request: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      if (text.includes("notifications/subscriptions/acknowledged")) {
        socket.off("data", onData);
        socket.resume();
        resolve(socket);
      } else if (text.includes('"error"')) {
        socket.destroy();
        reject(new Error(/"message":"([^"]*)"/.exec(text)?.[1] ?? text));
      }
    };
    socket.on("data", onData);
    socket.once("error", reject);
    socket.write(request);
  });
}
