import { connect, type Socket } from "node:net";

export interface LoadPlan {
  readonly port: number;
  readonly connections: number;
  /** Requests in all. */
  readonly count: number;
  /** The bytes of request number `index`, head and body. */
  readonly request: (index: number) => string;
  /** What every answer's body must hold: an error that is fast is no result. */
  readonly expect: string;
}

export interface LoadResult {
  /** From sending a request to the last byte of its answer, in ms, in order of answers. */
  readonly latencies: Float64Array;
  readonly wallMs: number;
}

/**
 * Sends a fixed number of requests over kept connections, one at a time on each. Written on bare
 * sockets, because a client that costs as much as the server under test would leave it waiting.
 *
 * @throws Error at the first answer that is not 200 or lacks `expect`.
 */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const latencies = new Float64Array(plan.count);
  const state = { sent: 0, done: 0 };
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(plan.connections, plan.count) }, () =>
      runConnection(plan, state, latencies),
    ),
  );
  return { latencies, wallMs: performance.now() - startedAt };
}

function runConnection(
  plan: LoadPlan,
  state: { sent: number; done: number },
  latencies: Float64Array,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(plan.port, "127.0.0.1");
    socket.setNoDelay(true);
    let sentAt = 0;
    let received: Buffer[] = [];
    let size = 0;
    let answer: Answer | undefined;
    const next = (): void => {
      if (state.sent >= plan.count) {
        socket.end();
        resolve();
        return;
      }
      const index = state.sent++;
      received = [];
      size = 0;
      answer = undefined;
      sentAt = performance.now();
      socket.write(plan.request(index));
    };
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.on("connect", next);
    socket.on("error", fail);
    socket.on("close", () => reject(new Error("the server closed a connection that was in use")));
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      size += chunk.length;
      answer ??= readHead(received);
      if (answer === undefined || !isWhole(chunk, size, answer)) return;
      const body = Buffer.concat(received, size).toString("latin1", answer.bodyAt);
      if (answer.status !== 200 || !body.includes(plan.expect)) {
        fail(new Error(`got ${answer.status}: ${body.slice(0, 500)}`));
        return;
      }
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

function isWhole(last: Buffer, size: number, { bodyAt, length }: Answer): boolean {
  if (length !== undefined) return size >= bodyAt + length;
  // The last chunk of a chunked body is short and comes in one piece on loopback.
  return last.subarray(-5).toString("latin1") === "0\r\n\r\n";
}
