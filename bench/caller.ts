import { connect } from "node:net";

/** A client turned away waits so long. */
const againMs = 200;

export interface Calls {
  readonly port: number;
  readonly request: (index: number) => string;
  /** Bytes of an answer: fewer is an error. */
  readonly atLeast: number;
  /** The reply has to say that the answer is too large. */
  readonly refused: boolean;
}

export interface Answer {
  readonly ms: number;
  readonly bytes: number;
}

export async function callInTurn(calls: Calls, count: number): Promise<readonly Answer[]> {
  const caller = createCaller(calls);
  const answers: Answer[] = [];
  for (let i = 0; i < count; i++) answers.push(await caller.call(i));
  caller.close();
  return answers;
}

export interface Caller {
  readonly call: (index: number) => Promise<Answer>;
  readonly close: () => void;
}

/**
 * Calls on one connection and throws the answer away while it comes: a client that joined 20 MB
 * would cost more than the server.
 */
export function createCaller({ port, request, atLeast, refused }: Calls): Caller {
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
