import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** What happens on a connection once a whole request has come. */
export type Fault = (socket: Socket, nth: number) => void | Promise<void>;

/** A server below HTTP: it writes the bytes it is told to, whether they are an answer or not. */
export interface FaultServer {
  readonly url: string;
  /** Requests that came whole, head and body, byte for byte. */
  readonly requests: string[];
  /** Connections that were ever made. */
  readonly made: () => number;
  /** Connections that are open now. */
  readonly open: () => number;
  /** Resolves once no connection is open. */
  readonly quiet: () => Promise<void>;
  fault: Fault;
}

export async function startFaultServer(fault: Fault = ok): Promise<FaultServer> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let made = 0;
  const server = createServer((socket) => {
    made++;
    sockets.add(socket);
    let received = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const length = wholeRequest(received);
      if (length === undefined) return;
      requests.push(received.subarray(0, length).toString("latin1"));
      received = received.subarray(length);
      void faults.fault(socket, requests.length);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const faults: FaultServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    made: () => made,
    open: () => sockets.size,
    async quiet() {
      for (const socket of sockets) await once(socket, "close");
    },
    fault,
  };
  return faults;
}

/** Length of the first request in `bytes`, once all of it is there. */
function wholeRequest(bytes: Buffer): number | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = bytes.subarray(0, end).toString("latin1");
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  const whole = end + 4 + length;
  return bytes.length >= whole ? whole : undefined;
}

/** An answer with this body, as JSON, and further header lines. */
export function answerOf(body: string, ...lines: readonly string[]): string {
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return `HTTP/1.1 200 OK\r\n${["Content-Type: application/json", length, ...lines].join("\r\n")}\r\n\r\n${body}`;
}

export const ok: Fault = (socket) => void socket.write(answerOf('{"ok":true}'));

/** These bytes and nothing more; the connection stays open. */
export function says(bytes: string | Buffer): Fault {
  return (socket) => void socket.write(bytes);
}

/** These bytes, then the end of the stream. */
export function ends(bytes: string | Buffer): Fault {
  return (socket) => void socket.end(bytes);
}

/** These bytes, then a reset. */
export function resets(bytes = ""): Fault {
  return (socket) => {
    if (bytes === "") socket.resetAndDestroy();
    else socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 20));
  };
}

/** `head`, then a byte at a time for as long as somebody listens. */
export function drips(head: string, everyMs = 20): Fault {
  return (socket) => {
    socket.write(head);
    const timer = setInterval(() => socket.write("x"), everyMs);
    socket.once("close", () => clearInterval(timer));
  };
}

/** `head`, then `piece` as fast as it is taken, for as long as somebody listens. */
export function floods(head: string, piece: string): Fault {
  return (socket) => {
    socket.write(head);
    const more = (): void => {
      while (!socket.destroyed && socket.write(piece));
      if (!socket.destroyed) socket.once("drain", more);
    };
    more();
  };
}

/** The first requests meet one fault each, all further ones the last. */
export function inTurn(...faults: readonly [Fault, ...Fault[]]): Fault {
  return (socket, nth) => faults[Math.min(nth, faults.length) - 1]?.(socket, nth);
}
