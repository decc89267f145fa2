import { connect } from "node:net";

export interface RawResponse {
  readonly status: number;
  /** Lower-case names; values of a repeated header in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

/** Sends exactly these bytes and reads until the server closes: no client adds or repairs a header. */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<RawResponse> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    // A server that refuses a body unread resets the connection; what it answered counts.
    socket.once("error", () => {});
  });
  socket.write(bytes);
  await closed;
  return parse(Buffer.concat(chunks).toString("latin1"));
}

/** Request line, headers and a body, with `Host` of `url` and the length unless given. */
export function requestBytes(
  url: string,
  request: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: readonly string[];
    readonly body?: string | Buffer;
  },
): Buffer {
  const { host, pathname } = new URL(url);
  const { method = "POST", path = pathname, headers = [], body = "" } = request;
  const names = new Set(headers.map((header) => header.split(":", 1)[0]?.toLowerCase()));
  const length = names.has("transfer-encoding") || body.length === 0 ? [] : ["content-length"];
  const added = ["host", "connection", ...length].filter((name) => !names.has(name));
  const values: Readonly<Record<string, string>> = {
    host,
    connection: "close",
    "content-length": String(Buffer.byteLength(body)),
  };
  const lines = [...headers, ...added.map((name) => `${name}: ${values[name]}`)];
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
}

function parse(text: string): RawResponse {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const at = line.indexOf(":");
    const name = line.slice(0, at).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(at + 1).trim()]);
  }
  const raw = rest.join("\r\n\r\n");
  const body = headers.get("transfer-encoding")?.includes("chunked") ? joinChunks(raw) : raw;
  const status = Number(statusLine.split(" ")[1] ?? 0);
  return { status, headers, body: Buffer.from(body, "latin1").toString() };
}

/** RFC 9112 §7.1, without extensions and trailers. */
function joinChunks(raw: string): string {
  const end = raw.indexOf("\r\n");
  const length = Number.parseInt(raw.slice(0, end), 16);
  if (!(length > 0)) return "";
  const start = end + 2;
  return raw.slice(start, start + length) + joinChunks(raw.slice(start + length + 2));
}
