import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { createGateway, type Gateway, type GatewayOptions } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { startApi, type TestApi } from "./api.ts";
import { readEnds, type AuditRecord } from "./audit.ts";
import { startIdp, type TestIdp } from "./idp.ts";
import { unlabelled } from "./label.ts";

export interface WorldOptions {
  /** The OpenAPI document; paths and components are enough. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** YAML of `tools`; the default exposes every operation. */
  readonly tools?: string;
  /** YAML of `credential`; the default is an exchange. */
  readonly credential?: string;
  /** YAML of more members of `auth.clients`. */
  readonly clients?: string;
  /** More variables for `clients`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly auth?: "oauth" | "none";
  /** Whether `extra.server` has `tls`: the name is then localhost. */
  readonly secure?: boolean;
  /** More YAML at the top level, and under `auth`, `apis`, `apis.api` and `server`. */
  readonly extra?: {
    readonly top?: string;
    readonly auth?: string;
    readonly api?: string;
    readonly server?: string;
    /** YAML of further keys of the issuer. */
    readonly issuer?: string;
    /** YAML of further issuers. */
    readonly issuers?: string;
    /** More sinks of the audit log, each as a flow mapping with a comma in front. */
    readonly sinks?: string;
    /** YAML of further apis; `API_URL` in it is where the API listens. */
    readonly apis?: string;
  };
  /** More of `audit`, as a flow mapping without braces. */
  readonly audit?: string;
  /** More files beside gateway.yaml, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Path of the API's base URL. */
  readonly basePath?: string;
}

/** A whole gateway between a real API and a real identity provider, on loopback. */
export interface World {
  /** Of the MCP endpoint. */
  readonly url: string;
  readonly gateway: Gateway;
  /** What it was made with: for another one in its place. */
  readonly options: GatewayOptions;
  readonly api: TestApi;
  readonly idp: TestIdp;
  /** Directory of gateway.yaml and spec.json. */
  readonly dir: string;
  /** What callers did and how it ended. */
  readonly audit: () => Promise<AuditRecord[]>;
  /** The whole audit log. */
  readonly auditText: () => Promise<string>;
  readonly logs: readonly string[];
  /** POSTs a body as a client of the 2025 era would, with a fresh token unless headers say so. */
  readonly post: (body: unknown, headers?: Readonly<Record<string, string>>) => Promise<Response>;
  /** Result of a `tools/call` without its label; throws the JSON-RPC error. */
  readonly call: (
    tool: string,
    args?: Readonly<Record<string, unknown>>,
    claims?: Readonly<Record<string, unknown>>,
  ) => Promise<CallResult>;
}

interface CallResult {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
}

/**
 * Builds a world and takes it down when the test ends; then no access token of a caller may have
 * come anywhere behind the gateway: not to the API, not to a log line, not to an audit line.
 */
export async function world(options: WorldOptions): Promise<World> {
  const port = await freePort();
  const origin = options.secure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  const url = `${origin}/mcp`;
  const [api, idp] = await Promise.all([startApi(), startIdp(url)]);
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  const document = { openapi: "3.1.0", info: { title: "test", version: "1" }, ...options.spec };
  await writeFile(join(dir, "spec.json"), JSON.stringify(document));
  await writeFile(join(dir, "gateway.yaml"), gatewayYaml(options, { origin, api, idp }));
  const logs: string[] = [];
  for (const [name, text] of Object.entries(options.files ?? {}))
    await writeFile(join(dir, name), text, { mode: 0o600 });
  const gatewayOptions: GatewayOptions = {
    file: join(dir, "gateway.yaml"),
    env: { CLIENT_SECRET: "client-secret", ...options.env },
    info: { name: "tollgate", version: "0.0.0-test" },
    ports: { now: () => Date.now(), log: createLog((line) => void logs.push(line), "debug") },
    fetch: globalThis.fetch,
    writeAudit: async () => {},
    pressure: undefined,
  };
  const gateway = await createGateway(gatewayOptions);
  await gateway.listen();
  const auditText = (): Promise<string> => readFile(join(dir, "audit", "audit.ndjson"), "utf8");
  onTestFinished(async () => {
    await gateway.close();
    api.close();
    idp.close();
    const behind = [
      ...api.requests.map((seen) => JSON.stringify(seen)),
      ...logs,
      await auditText(),
    ];
    for (const token of idp.issued) {
      const leaks = behind.filter((text) => leaksToken(text, token));
      expect(leaks, "an access token of a caller got behind the gateway").toEqual([]);
    }
    // On a busy machine the last write of a closed gateway may end while its folder is emptied.
    await rm(dir, { recursive: true, maxRetries: 5 });
  });
  const post: World["post"] = async (body, headers = {}) => {
    const authorization = headers["authorization"] ?? `Bearer ${await idp.token()}`;
    return fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
        authorization,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  };
  return {
    url,
    gateway,
    options: gatewayOptions,
    api,
    idp,
    dir,
    logs,
    post,
    auditText,
    audit: async () => readEnds(await auditText()),
    async call(name, args = {}, claims = {}) {
      const params = { name, arguments: args };
      const authorization = `Bearer ${await idp.token(claims)}`;
      const response = await post(
        { jsonrpc: "2.0", id: 1, method: "tools/call", params },
        { authorization },
      );
      const message = (await response.json()) as { result?: CallResult; error?: object };
      if (message.result === undefined) {
        throw Object.assign(new Error(JSON.stringify(message)), {
          status: response.status,
          message,
        });
      }
      return unlabelled(message.result);
    },
  };
}

const telling = 24;

/**
 * The whole token or a part of it that no other has: its payload, its signature, or either's end. The
 * beginning of a payload is that of every token of its issuer.
 */
export function leaksToken(text: string, token: string): boolean {
  const [, payload = token, signature = token] = token.split(".");
  const ends = [payload, signature].map((part) => part.slice(-telling));
  return [token, ...ends, signature.slice(0, telling)].some((part) => text.includes(part));
}

function gatewayYaml(
  { tools = "- match: {paths: ['/**']}", ...options }: WorldOptions,
  { origin, api, idp }: { origin: string; api: TestApi; idp: TestIdp },
): string {
  const oauth = (options.auth ?? "oauth") === "oauth";
  const exchange = "exchange: {client: gateway, audience: api}";
  const credential = options.credential ?? (oauth ? exchange : "none");
  const auth = oauth ? authYaml(options, idp) : "{mode: none}";
  return `version: 1
server: {url: "${origin}", ${options.extra?.server ?? ""}}
auth: ${auth}
apis:
  api:
    spec: spec.json
    url: "${api.url}${options.basePath ?? ""}"
    ${options.extra?.api ?? ""}
    credential:
      ${credential}
    tools:
${indent(tools, 6)}
${indent((options.extra?.apis ?? "").replaceAll("API_URL", api.url), 2)}
audit: {${auditYaml(options)}}
${options.extra?.top ?? ""}
`;
}

function authYaml(
  { clients = "", extra }: Pick<WorldOptions, "clients" | "extra">,
  { url }: TestIdp,
): string {
  return `{mode: oauth, scopes: [mcp:tools], issuers: [{issuer: "${url}", ${extra?.issuer ?? ""}}, ${extra?.issuers ?? ""}], ${extra?.auth ?? ""}
  clients: {gateway: {issuer: "${url}", id: gw, auth: client_secret_basic, secret: "\${CLIENT_SECRET}"}, ${clients}}}`;
}

function auditYaml({ audit = "", extra }: Pick<WorldOptions, "audit" | "extra">): string {
  return `sinks: [{file: {dir: audit}}${extra?.sinks ?? ""}], ${audit}`;
}

function indent(text: string, by: number): string {
  return text
    .split("\n")
    .map((line) => " ".repeat(by) + line)
    .join("\n");
}

/** Below the ports that the system gives to outgoing connections, and apart for each worker. */
const portsPerWorker = 2_500;
const firstPort = 10_000 + (Number(process.env["VITEST_POOL_ID"] ?? 0) % 8) * portsPerWorker;
let nextPort = Math.floor(Math.random() * portsPerWorker);

/** A port that nobody listens on: the configuration must name it before the listener has one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + (nextPort++ % portsPerWorker);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
