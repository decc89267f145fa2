import { request, type IncomingHttpHeaders } from "node:http";
import { createEventReader } from "../../src/upstream/reply/event-stream.ts";

/** A JSON-RPC message as it came. */
interface Message {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Those of a JSON body or of an event stream; a batch counts as its messages. */
  readonly messages: readonly Message[];
}

export type Headers = Readonly<Record<string, string | undefined>>;

/** What every client sends; `undefined` in `headers` of a request takes one away. */
export const usual = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
} as const;

/** An HTTP exchange whose answer is still coming. */
interface Exchange {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The next message; undefined at the end. */
  readonly next: () => Promise<Message | undefined>;
  /** Drops the connection, as a client does that went away. */
  readonly drop: () => void;
  /** All that has come once it is complete. */
  readonly answer: () => Promise<Answer>;
}

/** Opens an exchange without `fetch`, which adds headers of its own. Resolves with the head. */
export function open(url: string, body: unknown, headers: Headers = {}): Promise<Exchange> {
  return start(url, body, headers).head;
}

export async function send(url: string, body: unknown, headers: Headers = {}): Promise<Answer> {
  return (await open(url, body, headers)).answer();
}

/** For requests whose answer must not be waited for: `drop` works before the head has come. */
function start(
  url: string,
  body: unknown,
  headers: Headers = {},
): { readonly head: Promise<Exchange>; readonly drop: () => void } {
  const all = Object.entries({ ...usual, ...headers });
  const outgoing = request(url, {
    method: "POST",
    agent: false,
    headers: Object.fromEntries(all.filter((entry) => entry[1] !== undefined)),
  });
  const head = new Promise<Exchange>((resolve, reject) => {
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      const chunks: Buffer[] = [];
      const queue: Message[] = [];
      let wake = (): void => {};
      const add = (value: unknown): void => {
        for (const one of Array.isArray(value) ? value : [value]) queue.push(one as Message);
        wake();
      };
      const type = response.headers["content-type"] ?? "";
      const reader = createEventReader("events", ({ value }) => add(value));
      const stream = { ended: false };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (type.startsWith("text/event-stream")) reader.push(chunk);
      });
      const end = (): void => {
        if (stream.ended) return;
        stream.ended = true;
        const text = Buffer.concat(chunks).toString();
        if (type.startsWith("application/json") && text !== "") add(JSON.parse(text));
        wake();
      };
      response.on("end", end);
      response.on("close", end);
      response.on("error", end);
      const status = response.statusCode ?? 0;
      const next = async (): Promise<Message | undefined> => {
        while (queue.length === 0 && !stream.ended) {
          await new Promise<void>((done) => {
            wake = done;
          });
        }
        return queue.shift();
      };
      resolve({
        status,
        headers: response.headers,
        next,
        drop: () => outgoing.destroy(),
        async answer() {
          const messages: Message[] = [];
          for (let one = await next(); one; one = await next()) messages.push(one);
          // A comment that keeps a stream alive may come after the last message.
          while (!stream.ended) {
            await new Promise<void>((done) => {
              wake = done;
            });
          }
          return {
            status,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
            messages,
          };
        },
      });
    });
  });
  outgoing.end(typeof body === "string" ? body : JSON.stringify(body));
  return { head, drop: () => outgoing.destroy() };
}

/** The envelope of 2026-07-28. */
export const envelope: Readonly<Record<string, unknown>> = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

export interface Posted {
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** A request of the 2025 era. */
export function legacy(method: string, params?: object, id: string | number = 1): Posted {
  const body = { jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) };
  return { body, headers: {} };
}

/** A request of the 2026 era, headers and all. */
export function modern(
  method: string,
  params: {
    readonly name?: unknown;
    readonly _meta?: object;
    readonly [more: string]: unknown;
  } = {},
  id: string | number = 1,
): Posted {
  const { _meta: more } = params;
  const meta = { ...envelope, ...more };
  return {
    body: { jsonrpc: "2.0", id, method, params: { ...params, _meta: meta } },
    headers: {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof params.name === "string" ? { "mcp-name": params.name } : {}),
    },
  };
}

/** How one era asks. */
export interface Era {
  readonly era: string;
  readonly request: (
    method: string,
    params?: Readonly<Record<string, unknown>>,
    id?: string | number,
  ) => Posted;
}

export const eras: readonly Era[] = [
  { era: "2025", request: legacy },
  { era: "2026", request: modern },
];

export function call(
  name: string,
  args: Readonly<Record<string, unknown>> = {},
): { name: string; arguments: Readonly<Record<string, unknown>> } {
  return { name, arguments: args };
}
