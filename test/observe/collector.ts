import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP server that takes what is posted to it, or answers as `status` says. */
export interface Collector {
  readonly url: string;
  /** What it answered 2xx to. */
  readonly taken: Received[];
  readonly refused: Received[];
  /** `undefined` leaves the request open. */
  status: (received: Received) => number | undefined;
  answer: string;
  readonly stop: () => Promise<void>;
}

export async function startCollector(port = 0): Promise<Collector> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const received = { path: request.url ?? "", headers: request.headers, body };
      const status = collector.status(received);
      if (status === undefined) return;
      (status < 300 ? collector.taken : collector.refused).push(received);
      response.writeHead(status, { "content-type": "application/json" }).end(collector.answer);
    });
  });
  const collector: Collector = {
    url: "",
    taken: [],
    refused: [],
    status: () => 200,
    answer: "{}",
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const { port: bound } = server.address() as AddressInfo;
  onTestFinished(() => collector.stop());
  return Object.assign(collector, { url: `http://127.0.0.1:${bound}` });
}
