import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { onTestFinished } from "vitest";

export interface SyslogServer {
  readonly port: number;
  /** Whole messages, as octet counting (RFC 6587 §3.4.1) cuts them. */
  readonly messages: string[];
  /** Cuts every connection. */
  readonly cut: () => void;
  /** Bytes that arrive from now on are thrown away unread. */
  deaf: boolean;
}

export async function startSyslogServer(tls?: {
  readonly key: string;
  readonly certificate: string;
}): Promise<SyslogServer> {
  const sockets = new Set<Socket>();
  const onSocket = (socket: Socket): void => {
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      if (made.deaf) return;
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const space = rest.indexOf(" ");
        const length = Number(rest.subarray(0, Math.max(0, space)).toString());
        if (space < 1 || rest.length < space + 1 + length) return;
        made.messages.push(rest.subarray(space + 1, space + 1 + length).toString("utf8"));
        rest = rest.subarray(space + 1 + length);
      }
    });
  };
  const server: Server =
    tls === undefined
      ? createServer(onSocket)
      : createTlsServer({ key: tls.key, cert: tls.certificate }, onSocket);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const made: SyslogServer = {
    port: (server.address() as AddressInfo).port,
    messages: [],
    deaf: false,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
  onTestFinished(() => {
    made.cut();
    server.close();
  });
  return made;
}
