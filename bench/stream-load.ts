import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isExpected, silenceMs, type LoadPlan, type LoadResult } from "./load.ts";

/** Time for a server to take note of a new stream: some send its head only with the first event. */
const openMs = 100;

/**
 * As `runLoad`, for a server that answers a POST with 202 and sends the reply on the session's GET
 * stream.
 *
 * @param openStream The bytes of the GET of connection number `connection`.
 */
export async function runStreamLoad(
  plan: LoadPlan,
  openStream: (connection: number) => string,
): Promise<LoadResult> {
  const latencies = new Float64Array(plan.count);
  const state = { sent: 0, done: 0, bytes: 0 };
  const pairs = Array.from({ length: Math.min(plan.connections, plan.count) }, (_, connection) => {
    const stream = open(plan.port);
    stream.write(openStream(connection));
    return { connection, stream, post: open(plan.port) };
  });
  await sleep(openMs);
  const startedAt = performance.now();
  try {
    await Promise.all(pairs.map((pair) => runPair(pair, plan, state, latencies)));
    const wallMs = performance.now() - startedAt;
    return { latencies, wallMs, bytes: state.bytes, shed: 0 };
  } finally {
    for (const { stream, post } of pairs) {
      stream.destroy();
      post.destroy();
    }
  }
}

function open(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  socket.setEncoding("latin1");
  return socket;
}

function runPair(
  pair: { readonly connection: number; readonly stream: Socket; readonly post: Socket },
  plan: LoadPlan,
  state: { sent: number; done: number; bytes: number },
  latencies: Float64Array,
): Promise<void> {
  const { connection, stream, post } = pair;
  return new Promise((resolve, reject) => {
    let sentAt = 0;
    let id = 0;
    let events = "";
    let accepted = "";
    let answered = false;
    const next = (): void => {
      if (state.sent >= plan.count) {
        resolve();
        return;
      }
      id = (plan.firstId ?? 0) + state.sent++;
      events = "";
      accepted = "";
      answered = false;
      sentAt = performance.now();
      post.write(plan.request(id, connection));
    };
    // The two come in either order.
    const proceed = (): void => {
      if (answered && accepted.endsWith("\r\n\r\n")) next();
    };
    for (const socket of [stream, post]) {
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the server closed a connection in use")));
      socket.setTimeout(silenceMs, () => reject(new Error(`no answer in ${silenceMs} ms`)));
    }
    stream.on("data", (text: string) => {
      events += text;
      if (answered || !events.includes("\n\n") || !isExpected(events, id, plan)) return;
      answered = true;
      state.bytes += events.length;
      latencies[state.done++] = performance.now() - sentAt;
      proceed();
    });
    post.on("data", (text: string) => {
      accepted += text;
      if (accepted.startsWith("HTTP/1.1 202")) proceed();
      else reject(new Error(`got ${accepted.slice(0, 500)}`));
    });
    next();
  });
}
