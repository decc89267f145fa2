import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, start, type Started } from "./process.ts";

export const serverCore = 0;
export const clientCore = 1;

/** One server under test and how it is called. */
export interface Target {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly request: (index: number) => string;
  readonly expect: string;
  readonly close: () => Promise<void>;
}

export interface Upstream {
  readonly url: string;
  /** Access tokens for the gateway's endpoint. */
  readonly tokens: readonly string[];
  readonly close: () => Promise<void>;
}

const here = import.meta.dirname;
const root = join(here, "..");

export async function startUpstream(audience: string, tokens = 1): Promise<Upstream> {
  const started = await start({
    args: [join(here, "upstream.js"), audience, String(tokens)],
    core: clientCore,
    isReady: (line) => line.startsWith("{"),
  });
  const said = JSON.parse(started.line) as { port: number; tokens: string[] };
  return { url: `http://127.0.0.1:${said.port}`, tokens: said.tokens, close: started.close };
}

/** @param path What every call asks the API for. */
export async function startFloor(
  upstream: Upstream,
  { port: wanted, path = "/items/7" }: { readonly port?: number; readonly path?: string } = {},
): Promise<Target> {
  const port = wanted ?? (await freePort());
  const started = await start({
    args: [join(here, "floor.js"), upstream.url, String(port), path],
    core: serverCore,
    isReady: (line) => line === "listening",
  });
  const request = legacyCall({ port });
  return { name: "floor", pid: started.pid, port, request, expect: "Item 1", close: started.close };
}

export interface GatewayStart {
  /** A file of bench/config. */
  readonly config: "checks-off" | "default-limits" | "full" | "raised-limits";
  readonly port: number;
  readonly adminPort?: number;
  readonly upstream: Upstream;
  readonly durability?: "flushed" | "fsync";
  /** Port that `server.url` names; its own. */
  readonly address?: number;
  readonly core?: number;
}

/** The built gateway, as an operator starts it. */
export async function startGateway({
  config,
  port,
  adminPort,
  upstream,
  durability = "flushed",
  address = port,
  core = serverCore,
}: GatewayStart): Promise<Started> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-bench-"));
  const env = {
    GATEWAY_URL: `http://127.0.0.1:${address}`,
    GATEWAY_PORT: String(port),
    ADMIN_PORT: String(adminPort ?? (await freePort())),
    UPSTREAM_URL: upstream.url,
    CLIENT_SECRET: "a-secret-of-the-benchmark",
    AUDIT_DIR: dir,
    AUDIT_DURABILITY: durability,
  };
  const started = await startConfig(join(root, `bench/config/${config}.yaml`), env, core);
  return {
    ...started,
    async close() {
      await started.close();
      await rm(dir, { recursive: true });
    },
  };
}

export function startConfig(
  file: string,
  env: Readonly<Record<string, string>>,
  core: number = serverCore,
): Promise<Started> {
  return start({
    args: [join(root, "dist/cli/main.js"), "serve", "--no-watch", "-c", file],
    env: { ...env, NODE_ENV: "production" },
    core,
    isReady: (line) => line.includes('"listening"'),
  });
}

export interface CallForm {
  readonly port: number;
  readonly token?: string;
  readonly name?: string;
  readonly args?: object;
  /** Further header lines. */
  readonly headers?: readonly string[];
  /** A member that the hot lane leaves to the SDK: valid, and unusual. */
  readonly unusual?: boolean;
}

type Requests = (index: number) => string;

/** `tools/call` of the 2025 era, every one with an id of its own. */
export function legacyCall(form: CallForm): Requests {
  const { name = "get_item", args = { id: 7 }, unusual = false } = form;
  const more = unusual ? ',"unusual":true' : "";
  const tail = `,"method":"tools/call","params":{"name":"${name}","arguments":${JSON.stringify(args)}${more}}}`;
  const head = headOf(form, form.headers ?? []);
  return (index) => withBody(head, `{"jsonrpc":"2.0","id":${index}${tail}`);
}

export function listRequest(port: number): Requests {
  const head = headOf({ port }, []);
  return (index) => withBody(head, `{"jsonrpc":"2.0","id":${index},"method":"tools/list"}`);
}

/** A client of 2026-07-28 that wants to be told when the tools change. */
export function listenRequest(port: number): Requests {
  const method = "subscriptions/listen";
  const head = headOf({ port }, ["mcp-protocol-version: 2026-07-28", `mcp-method: ${method}`]);
  const tail = `,"method":"${method}","params":{"notifications":{"toolsListChanged":true},${envelope}}}`;
  return (index) => withBody(head, `{"jsonrpc":"2.0","id":${index}${tail}`);
}

const envelope =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}';

/** The same of 2026-07-28, with its envelope and headers. */
export function modernCall(form: CallForm): Requests {
  const { name = "get_item", args = { id: 7 }, unusual = false } = form;
  const more = unusual ? ',"unusual":true' : "";
  const tail = `,"method":"tools/call","params":{"name":"${name}","arguments":${JSON.stringify(args)}${more},${envelope}}}`;
  const head = headOf(form, [
    "mcp-protocol-version: 2026-07-28",
    "mcp-method: tools/call",
    `mcp-name: ${name}`,
  ]);
  return (index) => withBody(head, `{"jsonrpc":"2.0","id":${index}${tail}`);
}

function headOf({ port, token }: CallForm, more: readonly string[]): string {
  return [
    "POST /mcp HTTP/1.1",
    `host: 127.0.0.1:${port}`,
    "content-type: application/json",
    "accept: application/json, text/event-stream",
    ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
    ...more,
    "",
  ].join("\r\n");
}

/** Opens the stream of a session, on which some servers send their replies. */
export function openStream(port: number, headers: readonly string[]): string {
  const accept = "accept: text/event-stream";
  return ["GET /mcp HTTP/1.1", `host: 127.0.0.1:${port}`, accept, ...headers, "", ""].join("\r\n");
}

/** Bodies are ASCII: characters are bytes. */
function withBody(head: string, body: string): string {
  return `${head}content-length: ${body.length}\r\n\r\n${body}`;
}
