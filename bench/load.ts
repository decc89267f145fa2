import { connect, type Socket } from "node:net";

export interface LoadPlan {
  readonly port: number;
  readonly connections: number;
  /** Requests in all. */
  readonly count: number;
  /** The bytes of request number `index`, head and body, on connection number `connection`. */
  readonly request: (index: number, connection: number) => string;
  /** What every answer's body must hold: an error that is fast is no result. */
  readonly expect: string;
  /**
   * Number of the first request, which is its JSON-RPC id. Given where a server keeps sessions: then
   * every answer must hold the id of its own request, so that one that went astray is seen.
   */
  readonly firstId?: number;
}

export interface LoadResult {
  /** From sending a request to the last byte of its answer, in ms, in order of answers. */
  readonly latencies: Float64Array;
  readonly wallMs: number;
  /** Of all answers, with their heads. */
  readonly bytes: number;
  /** Answers that turned a request away because the server had no time; it was sent again. */
  readonly shed: number;
}

/** A client that is turned away waits so long. */
const againMs = 200;

/** A server that is silent for so long hangs. */
export const silenceMs = 20_000;

/**
 * Sends a fixed number of requests over kept connections, one at a time on each. Written on bare
 * sockets, because a client that costs as much as the server under test would leave it waiting.
 *
 * @throws Error at the first answer that is not 200 or is not the one expected, and at silence.
 */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const latencies = new Float64Array(plan.count);
  const state = { sent: 0, done: 0, bytes: 0, shed: 0 };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(plan.connections, plan.count) }, (_, connection) =>
      runConnection(connection, plan, state, latencies),
    ),
  );
  const { bytes, shed } = state;
  return { latencies, wallMs: performance.now() - startedAt, bytes, shed };
}

function runConnection(
  connection: number,
  plan: LoadPlan,
  state: { sent: number; done: number; bytes: number; shed: number },
  latencies: Float64Array,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(plan.port, "127.0.0.1");
    socket.setNoDelay(true);
    let sentAt = 0;
    let index = 0;
    let received: Buffer[] = [];
    let size = 0;
    let answer: Answer | undefined;
    const next = (): void => {
      if (state.sent >= plan.count) {
        socket.end();
        resolve();
        return;
      }
      index = (plan.firstId ?? 0) + state.sent++;
      sentAt = performance.now();
      send();
    };
    const send = (): void => {
      received = [];
      size = 0;
      answer = undefined;
      socket.write(plan.request(index, connection));
    };
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(silenceMs, () => fail(new Error(`no answer in ${silenceMs} ms`)));
    socket.on("connect", next);
    socket.on("error", fail);
    socket.on("close", () => reject(new Error("the server closed a connection that was in use")));
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      size += chunk.length;
      answer ??= readHead(received);
      if (answer === undefined || !isWhole(received, size, answer)) return;
      const body = Buffer.concat(received, size).toString("latin1", answer.bodyAt);
      if (answer.status === 503 && body.includes('"overloaded"')) {
        state.shed++;
        setTimeout(send, againMs);
        return;
      }
      if (answer.status !== 200 || !isExpected(body, index, plan)) {
        fail(new Error(`got ${answer.status}: ${body.slice(0, 500)}`));
        return;
      }
      state.bytes += size;
      latencies[state.done++] = performance.now() - sentAt;
      next();
    });
  });
}

interface Answer {
  readonly status: number;
  readonly bodyAt: number;
  /** Undefined: chunked. */
  readonly length: number | undefined;
}

function readHead(received: readonly Buffer[]): Answer | undefined {
  const bytes = received.length === 1 && received[0] ? received[0] : Buffer.concat(received);
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  return {
    status: Number(head.slice(9, 12)),
    bodyAt: end + 4,
    length: length === undefined ? undefined : Number(length),
  };
}

export function isExpected(body: string, id: number, { expect, firstId }: LoadPlan): boolean {
  if (!body.includes(expect)) return false;
  return firstId === undefined || body.includes(`"id":${id},`) || body.includes(`"id":${id}}`);
}

function isWhole(received: readonly Buffer[], size: number, { bodyAt, length }: Answer): boolean {
  if (length !== undefined) return size >= bodyAt + length;
  const tail = Buffer.concat(received.slice(-2)).subarray(-5);
  return tail.toString("latin1") === "0\r\n\r\n";
}
