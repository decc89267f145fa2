import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

import { onTestFinished } from "vitest";

export interface DocumentServer {
  readonly port: number;
  /** Request targets in order. */
  readonly asked: readonly string[];
}

/** A real HTTP server on loopback that answers with these documents; 404 for every other path. */
export async function serveDocuments(
  documents: Readonly<Record<string, string | RequestListener>>,
): Promise<DocumentServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { url = "" } = request;
    asked.push(url);
    const answer = documents[url];
    if (typeof answer === "function") answer(request, response);
    else if (answer === undefined) response.writeHead(404).end();
    else response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}
