import { createHash } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

import { onTestFinished } from "vitest";

import type { CancelSignal } from "../../src/base/cancel.ts";
import type { JsonObject } from "../../src/base/json.ts";
import type { Log, Ports } from "../../src/base/ports.ts";
import type { Principal } from "../../src/base/principal.ts";
import { Secret } from "../../src/base/secret.ts";
import type { ApiConfig } from "../../src/config/types/apis.ts";
import type { ClientAuthConfig, ClientConfig } from "../../src/config/types/clients.ts";
import type { CredentialConfig } from "../../src/config/types/credential.ts";
import type { Operation } from "../../src/openapi/operation/operation.ts";
import type { ClientKeys } from "../../src/upstream/credential/client-auth.ts";
import { createCredential } from "../../src/upstream/credential/credential.ts";
import type { Credential } from "../../src/upstream/credential/credential-parts.ts";
import type { CredentialParts } from "../../src/upstream/request/request.ts";
import { createIssuerMetadata } from "../../src/upstream/credential/issuer-metadata.ts";
import { noLogin, type ReadLogin } from "../../src/upstream/credential/login.ts";
import { createSigningKeys, type SigningKeys } from "../../src/upstream/credential/signing-keys.ts";
import { createFetchAs } from "../../src/upstream/credential/tls-fetch.ts";
import { createTokenCache } from "../../src/upstream/credential/token-cache.ts";

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Objects are sent as JSON, text as it is; undefined: the server never answers. */
  readonly body?: JsonObject | string;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly form: URLSearchParams;
}

export interface AuthorizationServer {
  readonly origin: string;
  /** Every request so far, oldest first. */
  readonly asked: Asked[];
  readonly close: () => Promise<void>;
}

/**
 * A real HTTP server that answers as a test says; what it is asked is kept byte for byte. It ends with
 * its test.
 */
export async function startServer(
  answer: (asked: Asked) => Answer | Promise<Answer>,
): Promise<AuthorizationServer> {
  const asked: Asked[] = [];
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    const { method = "", url: path = "", headers } = request;
    const one = { method, path, headers, body, form: new URLSearchParams(body) };
    asked.push(one);
    const reply = await answer(one);
    if (reply.body === undefined && reply.status === undefined) return;
    response.writeHead(reply.status ?? 200, {
      "content-type": "application/json",
      ...reply.headers,
    });
    response.end(typeof reply.body === "object" ? JSON.stringify(reply.body) : reply.body);
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(close);
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, asked, close };
}

interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: JsonObject | undefined;
  readonly cause: unknown;
}

export interface TestPorts extends Ports {
  readonly lines: LogLine[];
  readonly forward: (ms: number) => void;
}

export function createTestPorts(start: number = Date.now()): TestPorts {
  let time = start;
  const lines: LogLine[] = [];
  const level =
    (name: string) =>
    (event: string, fields?: JsonObject, cause?: unknown): void => {
      lines.push({ level: name, event, fields, cause });
    };
  const log: Log = {
    debug: level("debug"),
    info: level("info"),
    warn: level("warn"),
    error: level("error"),
  };
  return {
    now: () => time,
    log,
    lines,
    forward: (ms) => {
      time += ms;
    },
  };
}

const position = { file: "gateway.yaml", line: 7, column: 3 };

export function clientConfig(over: Partial<ClientConfig> & { issuer: string }): ClientConfig {
  return {
    name: "corp",
    tokenUrl: `${over.issuer}/token`,
    id: "tollgate",
    auth: { kind: "client_secret_post", secret: new Secret("s3cret-of-the-client") },
    position,
    ...over,
  };
}

export function apiConfig(credential: CredentialConfig, id = "courses"): ApiConfig {
  return {
    id,
    spec: "/specs/courses.yaml",
    overlays: [],
    when: undefined,
    server: { select: undefined, variables: new Map() },
    ca: undefined,
    allowedHosts: [],
    refs: { roots: [], allowHosts: [], privateHosts: [] },
    specPosition: position,
    url: "http://courses.test",
    credential,
    identityHeaders: new Map(),
    retry: { attempts: 0, unsafe: false, idempotencyKey: undefined },
    breaker: false,
    maxConcurrentCalls: 128,
    deepObjectArrays: "repeat",
    redirects: undefined,
    timeouts: { connectMs: 1000, headersMs: 1000, idleMs: 1000, totalMs: 1000 },
    prefix: false,
    skipDeprecated: false,
    keepReadOnly: false,
    rules: [],
    position,
  };
}

export const exchange: Extract<CredentialConfig, { kind: "exchange" }> = {
  kind: "exchange",
  client: "corp",
  audience: ["courses-api"],
  resource: [],
  scope: ["courses:read"],
  grant: "token-exchange",
  subject: "caller",
  scopeGranularity: "operation",
  addedScopes: [],
  parameters: new Map(),
  verifyAudience: true,
  subjectTokenType: "urn:ietf:params:oauth:token-type:access_token",
  requestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
  actor: "none",
  cache: { maxMs: 600_000, failureMs: 5_000 },
  retry: true,
  stepUp: undefined,
};

/** A person whose token is `token`; it ends an hour after the real now. */
export function person(token: string, over: Partial<Principal> = {}): Principal {
  return {
    iss: "https://sso.test",
    sub: "alice",
    name: undefined,
    clientId: "cursor",
    scopes: new Set(["mcp:tools"]),
    roles: [],
    claims: {},
    expiresAt: Date.now() + 3_600_000,
    tokenHash: createHash("sha256").update(token).digest("base64url"),
    token: new Secret(token),
    ...over,
  };
}

/** What one API's credential is made with, sharing caches like the APIs of one gateway do. */
export function createRoom(
  clients: readonly ClientConfig[],
  ports: Ports,
  options: {
    readonly clientKeys?: ClientKeys;
    readonly fetch?: typeof fetch;
    /** Authorities that a handshake with a client certificate trusts. */
    readonly ca?: string;
    readonly signingKeys?: SigningKeys;
    readonly offeredScopes?: readonly string[];
    readonly readLogin?: ReadLogin;
    /** What the document asks of the operation. */
    readonly security?: Operation["security"];
  } = {},
): (credential: CredentialConfig, id?: string) => Credential {
  const send = options.fetch ?? fetch;
  const deps = {
    fetch: send,
    clients: new Map(clients.map((client) => [client.name, client])),
    clientKeys: options.clientKeys ?? new Map(),
    tokens: createTokenCache(ports, 10_000, () => {}),
    metadata: createIssuerMetadata(send, ports),
    fetchAs: createFetchAs(options.ca),
    issuer: "https://mcp.test",
    connections: undefined,
    readLogin: options.readLogin ?? noLogin,
    signingKeys: options.signingKeys ?? createSigningKeys(ports.now),
    offeredScopes: new Set(options.offeredScopes),
  };
  return (credential, id) =>
    createCredential(
      apiConfig(credential, id),
      deps,
      ports,
    )({
      scopes: [],
      operation: { security: options.security ?? [] },
    });
}

export function secretAuth(
  kind: "client_secret_basic" | "client_secret_post",
  secret: string,
): ClientAuthConfig {
  return { kind, secret: new Secret(secret) };
}

export function bearerParts(token: string): object {
  return { headers: ["authorization", `Bearer ${token}`], query: "", cookie: "" };
}

/** One authorization server, one client of it, and a credential that gets its tokens there. */
export interface CredentialWorld {
  readonly server: AuthorizationServer;
  readonly ports: TestPorts;
  readonly credential: Credential;
  /** More credentials that share what is kept. */
  readonly room: ReturnType<typeof createRoom>;
}

export async function credentialWorld(
  answer: (asked: Asked) => Answer | Promise<Answer>,
  config: CredentialConfig = exchange,
  options: { readonly readLogin?: ReadLogin } = {},
): Promise<CredentialWorld> {
  const server = await startServer(answer);
  const ports = createTestPorts();
  const room = createRoom([clientConfig({ issuer: server.origin })], ports, options);
  return { server, ports, room, credential: room(config) };
}

/** `get` as a promise, whether or not the token was kept. */
export async function obtain(
  credential: Credential,
  principal: Principal,
  signal?: CancelSignal,
): Promise<CredentialParts> {
  return credential.get(principal, signal);
}
