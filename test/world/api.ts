import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request exactly as an internal API received it. */
export interface ApiRequest {
  readonly method: string;
  /** Request target, byte for byte. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly bytes: Buffer;
}

type Answer = (request: ApiRequest, response: ServerResponse) => void | Promise<void>;

/** A real HTTP server in the place of an internal API. */
export interface TestApi {
  readonly url: string;
  readonly requests: ApiRequest[];
  /** What it answers from now on; the default is 200 `{"ok":true}`. */
  answer: Answer;
  /** How long it keeps a connection that nothing is sent on; the default is 5 s. */
  readonly keepIdle: (ms: number) => void;
  readonly close: () => void;
}

export async function startApi(): Promise<TestApi> {
  const requests: ApiRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const bytes = Buffer.concat(chunks);
      const { method = "", url = "", headers, rawHeaders } = request;
      const seen = { method, path: url, headers, rawHeaders, bytes, body: bytes.toString() };
      requests.push(seen);
      void api.answer(seen, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const api: TestApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (_, response) => answerJson(response, { ok: true }),
    keepIdle(ms) {
      server.keepAliveTimeout = ms;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return api;
}

export function answerJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
