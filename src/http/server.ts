import { createServer, METHODS, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import { Server as NetServer, type Socket } from "node:net";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Authenticate } from "../auth/authenticate.ts";
import type { Refusal } from "../auth/challenge.ts";
import { AuthError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import type { Listen, TlsConfig } from "../config/types/server.ts";
import { clientOf } from "../mcp/client.ts";
import type { McpExchange } from "../mcp/service.ts";
import type { Client } from "../observe/record/client.ts";
import type { Connect } from "../upstream/credential/connect.ts";
import { type ConnectEvent, serveConnect } from "./connect.ts";
import type { Edge } from "./edge.ts";
import type { AddressOf } from "./forwarded.ts";
import { guard, type Gate } from "./gate.ts";
import { parseJsonBody } from "./json-body.ts";
import { serveLogout, type AcceptLogout } from "./logout.ts";
import { takeShortcuts, type HandleRequest, type Message, type Shortcut } from "./shortcut.ts";
import { certificateOf, contextOf, tlsOptionsOf } from "./tls.ts";

/** What a request needs of the snapshot it meets. */
export interface HttpService {
  readonly edge: Edge;
  readonly addressOf: AddressOf;
  /** By path. */
  readonly endpoints: ReadonlyMap<string, EndpointService>;
  /** Protected-resource metadata by request path; empty without OAuth. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Key set of the tokens that the gateway signs for APIs; undefined: it signs none. */
  readonly gatewayKeys: (() => string) | undefined;
  /** Counts a request of this address, ms until one more is let in; undefined: nobody counts. */
  readonly takeAddress: ((address: string) => number) | undefined;
  /** undefined: no issuer has a back channel. */
  readonly logout: AcceptLogout | undefined;
  /** Pages on which people connect accounts; undefined: there are none. */
  readonly connect: Connect | undefined;
}

interface EndpointService {
  readonly authenticate: Authenticate;
  readonly refuse: (error: AuthError) => Refusal;
}

export interface HttpParts {
  readonly listen: Listen;
  /** undefined: plain http. */
  readonly tls: TlsConfig | undefined;
  readonly maxRequestBytes: number;
  readonly service: () => HttpService;
  /** What takes the POSTs of each MCP endpoint, by its path. */
  readonly endpoints: ReadonlyMap<string, (exchange: McpExchange) => Promise<void>>;
  /** Another server on the same origin, with paths of its own and rules of its own. */
  readonly guest:
    | { readonly owns: (path: string) => boolean; readonly handle: HandleRequest }
    | undefined;
  /** Told of every request that got no further than this room. */
  readonly onRefused: (refused: RefusedRequest) => void;
  /** Whether clients come over TLS, be it that of a proxy. */
  readonly secure: boolean;
  readonly onConnect: (event: ConnectEvent) => void;
  /** Told of every request with a good token. */
  readonly onBelieved: () => void;
  readonly times: HttpTimes;
  readonly maxConnections: number;
  /** Whether a request is turned away before anything of it is looked at. */
  readonly sheds: () => boolean;
}

interface RefusedRequest {
  /** `auth.deny`: the caller was not believed; `request.reject`: the request cannot be served. */
  readonly event: "auth.deny" | "request.reject" | "rate.deny";
  readonly reason: string;
  /** Who sent it, when that was known by then. */
  readonly principal: Principal | undefined;
  readonly client: Client | undefined;
}

export interface HttpTimes {
  /** To send the head of a request, and the whole of it. */
  readonly headersMs: number;
  readonly requestMs: number;
}

export const httpTimes: HttpTimes = { headersMs: 10_000, requestMs: 10_000 };

export interface HttpServer {
  readonly listen: () => Promise<{ readonly port: number }>;
  /** The certificate of connections from now on. */
  readonly renew: (tls: TlsConfig) => void;
  /** Goes on accepting, but no connection outlives its next answer. */
  readonly drain: () => void;
  /** Stops accepting: the address is free when this returns. Connections that are busy go on. */
  readonly release: () => void;
  /**
   * Stops accepting and waits for requests in flight; then their connections are cut. Asked again, the
   * shorter time counts.
   */
  readonly close: (timeoutMs: number) => Promise<void>;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who sent it, once that is believed. */
    principal: Principal | undefined;
  }
}

/** So that a load balancer in front can spread clients anew. */
const maxRequestsPerSocket = 10_000;
/** Node looks for slow requests this often; its default would give them half a minute more. */
const slowCheckMs = 5_000;
const idleSweepMs = 50;

/**
 * The public listener. Checks in this order, whatever the body says: Host and Origin (403), token
 * (401), method (405), media type (415), size (413), JSON (400).
 */
export function createHttpServer(parts: HttpParts, ports: Ports): HttpServer {
  const shortcuts = new Map<string, Shortcut>();
  const slow = {
    headersTimeout: parts.times.headersMs,
    connectionsCheckingInterval: Math.min(slowCheckMs, parts.times.requestMs),
  };
  const strangerOf = (request: IncomingMessage): Client =>
    clientOf(request, null, parts.service().addressOf(request));
  const reject: Reject = (request, principal, reason) => {
    const client = strangerOf(request);
    parts.onRefused({ event: "request.reject", reason, principal, client });
  };
  let draining = false;
  const gate: Gate = {
    sheds: parts.sheds,
    draining: () => draining,
    takeAddress: () => parts.service().takeAddress,
    addressOf: () => parts.service().addressOf,
    onShed: (request) => reject(request, undefined, "overloaded"),
    onLimited(request) {
      const client = strangerOf(request);
      const reason = "rate_limited";
      parts.onRefused({ event: "rate.deny", reason, principal: undefined, client });
    },
  };
  const app = Fastify({
    serverFactory(handler, { keepAliveTimeout, requestTimeout }) {
      const { guest } = parts;
      const longWay: HandleRequest =
        guest === undefined
          ? handler
          : (request, response) => {
              const path = request.url?.split("?", 1)[0] ?? "";
              (guest.owns(path) ? guest.handle : handler)(request, response);
            };
      const handle = guard(gate, takeShortcuts(shortcuts, longWay));
      const server =
        parts.tls === undefined
          ? createServer(slow, handle)
          : createTlsServer({ ...slow, ...tlsOptionsOf(parts.tls) }, handle);
      const { maxConnections } = parts;
      const bounds = { maxConnections, maxRequestsPerSocket };
      return Object.assign(server, { keepAliveTimeout, requestTimeout, ...bounds });
    },
    bodyLimit: parts.maxRequestBytes,
    requestTimeout: parts.times.requestMs,
    forceCloseConnections: "idle",
    exposeHeadRoutes: false,
  });
  app.decorateRequest("principal");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    if (request.headers["content-encoding"] !== undefined) done(unsupportedMediaType());
    else done(null, body);
  });
  app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    const reason = status >= 500 ? "internal_error" : describe(status);
    if (status >= 500) ports.log.error(reason, {}, error);
    reject(request.raw, request.principal, reason);
    void reply.code(status).send({ error: reason });
  });
  app.setNotFoundHandler((request, reply) => {
    reject(request.raw, request.principal, "not_found");
    void reply.code(404).send({ error: "not_found" });
  });
  // With what each had sent when it was there: nothing, or its handshake. Node's own list has no
  // connection whose handshake has not ended.
  const connections = new Map<Socket, number>();
  const keep = (socket: Socket): void => {
    connections.set(socket, socket.bytesRead);
    socket.once("close", () => connections.delete(socket));
  };
  app.server.on("connection", keep);
  if (app.server instanceof TlsServer) app.server.on("secureConnection", keep);
  app.server.on("drop", () => {
    const reason = "too_many_connections";
    parts.onRefused({ event: "request.reject", reason, principal: undefined, client: undefined });
  });
  // Answered by fastify: what the parser could not read, or did not get in time.
  app.server.on("clientError", (error: NodeJS.ErrnoException) => {
    const reason = describeParserError(error.code ?? "");
    if (reason === undefined) return;
    parts.onRefused({ event: "request.reject", reason, principal: undefined, client: undefined });
  });
  app.addHook("onRequest", (request, reply, done) => {
    const { edge } = parts.service();
    if (edge.acceptsHost(request.raw.rawHeaders) && edge.acceptsTarget(request.url)) done();
    else {
      reject(request.raw, undefined, "host_not_allowed");
      void reply.code(403).send({ error: "host_not_allowed" });
    }
  });
  serveMetadata(app, parts);
  const onRefused = (reason: string, { raw }: FastifyRequest): void => {
    const client = strangerOf(raw);
    parts.onRefused({ event: "auth.deny", reason, principal: undefined, client });
  };
  serveLogout(app, { service: parts.service, onRefused }, ports);
  serveConnect(
    app,
    {
      ...parts,
      connect: () => parts.service().connect,
      acceptsOrigin: (origin) => parts.service().edge.acceptsOrigin(origin),
    },
    ports,
  );
  // Methods that the router does not know by itself meet the same checks as those that it does.
  const known = new Set(app.supportedMethods);
  for (const method of METHODS) {
    if (!known.has(method) && method !== "CONNECT") app.addHttpMethod(method);
  }
  for (const [path, post] of parts.endpoints) {
    const endpoint = (): EndpointService => {
      const found = parts.service().endpoints.get(path);
      if (found === undefined) throw new TypeError(`no endpoint ${path}`);
      return found;
    };
    const mcp = { ...parts, reject, strangerOf, path, post, endpoint };
    const serve = createServe(mcp, ports);
    serveMcp(app, { ...mcp, serve }, ports);
    shortcuts.set(path, {
      maxRequestBytes: parts.maxRequestBytes,
      edge: () => parts.service().edge,
      authenticate: () => endpoint().authenticate,
      onBelieved: parts.onBelieved,
      serve,
    });
  }
  let closed: Promise<void> | undefined;
  const release = (): void => {
    if (closed !== undefined) return;
    draining = true;
    // A connection whose last answer ends only now would stay open until its client drops it, and
    // one that was opened ahead of need counts as busy to Node until its first request has ended.
    const sweep = setInterval(() => {
      app.server.closeIdleConnections();
      for (const [socket, bytes] of connections) if (socket.bytesRead === bytes) socket.destroy();
    }, idleSweepMs);
    // By hand and first: fastify would refuse what a busy connection asks next, and a close of HTTP
    // would look no more for requests that are too slow.
    const ended = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(app.server, () => resolve());
    });
    const end = async (): Promise<void> => {
      await ended;
      clearInterval(sweep);
      await app.close();
    };
    closed = end();
  };
  return {
    async listen() {
      await app.listen(parts.listen);
      const address = app.server.address();
      return { port: typeof address === "object" && address ? address.port : parts.listen.port };
    },
    renew(tls) {
      const { server } = app;
      if (server instanceof TlsServer) server.setSecureContext(contextOf(tls));
    },
    drain() {
      draining = true;
    },
    release,
    async close(timeoutMs) {
      release();
      const deadline = setTimeout(() => {
        for (const socket of connections.keys()) socket.destroy();
      }, timeoutMs);
      await closed;
      clearTimeout(deadline);
    },
  };
}

function describe(status: number): string {
  if (status === 413) return "request_too_large";
  return status === 415 ? "unsupported_media_type" : "invalid_request";
}

/** undefined: the connection broke, and nobody was refused anything. */
function describeParserError(code: string): string | undefined {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "request_timeout";
  if (code === "HPE_HEADER_OVERFLOW") return "headers_too_large";
  return code.startsWith("HPE_") ? "malformed_http" : undefined;
}

function unsupportedMediaType(): Error {
  return Object.assign(new Error("unsupported media type"), { statusCode: 415 });
}

const gatewayKeysPath = "/.well-known/gateway-jwks.json";

/** RFC 9728 and RFC 7517; open to every origin, because it says nothing that is not public. */
function serveMetadata(app: FastifyInstance, { service }: HttpParts): void {
  const handler = (request: FastifyRequest, reply: FastifyReply): void => {
    const path = request.url.split("?", 1)[0] ?? "";
    const { metadata, gatewayKeys } = service();
    const body = path === gatewayKeysPath ? gatewayKeys?.() : metadata.get(path);
    if (body === undefined) {
      reply.callNotFound();
      return;
    }
    void reply
      .headers({
        "access-control-allow-origin": "*",
        "cache-control": "max-age=300",
        "content-type": "application/json",
      })
      .send(body);
  };
  app.get(gatewayKeysPath, handler);
  app.get("/.well-known/oauth-protected-resource", handler);
  app.get("/.well-known/oauth-protected-resource/*", handler);
  app.options("/.well-known/oauth-protected-resource*", (_, reply) => {
    void reply
      .headers({
        "access-control-allow-origin": "*",
        "access-control-allow-headers": "mcp-protocol-version",
      })
      .code(204)
      .send();
  });
}

type Reject = (request: IncomingMessage, principal: Principal | undefined, reason: string) => void;

interface McpParts extends HttpParts {
  readonly reject: Reject;
  /** Who sent a request that got no further. */
  readonly strangerOf: (request: IncomingMessage) => Client;
  readonly path: string;
  readonly post: (exchange: McpExchange) => Promise<void>;
  /** Of the snapshot of this moment. */
  readonly endpoint: () => EndpointService;
}

/** What a believed caller's body becomes, whichever way it came. */
function createServe(parts: McpParts, ports: Ports): (message: Message) => void {
  return ({ request, response, principal, body: bytes }) => {
    const body = parseJsonBody(bytes);
    if (body !== undefined && body !== null) {
      const onFault = (error: unknown): void => finish(error, response, parts, ports);
      try {
        const ip = parts.service().addressOf(request);
        parts.post({ request, response, body, principal, ip }).catch(onFault);
      } catch (error) {
        onFault(error);
      }
      return;
    }
    parts.reject(request, principal, "invalid_json");
    const error =
      body === null
        ? { code: -32600, message: "Invalid Request" }
        : { code: -32700, message: "Parse error" };
    response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
  };
}

interface LongWay extends McpParts {
  readonly serve: (message: Message) => void;
}

function serveMcp(app: FastifyInstance, parts: LongWay, ports: Ports): void {
  const { reject } = parts;

  const refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    if (!(error instanceof AuthError)) {
      ports.log.error("internal_error", {}, error);
      reject(request.raw, request.principal, "internal_error");
      void reply.code(500).send({ error: "internal_error" });
      return;
    }
    const client = parts.strangerOf(request.raw);
    parts.onRefused({ event: "auth.deny", reason: error.reason, principal: undefined, client });
    const { status, headers, body } = parts.endpoint().refuse(error);
    void reply.code(status).headers(headers).send(body);
  };

  const onRequest = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { edge } = parts.service();
    const { authenticate } = parts.endpoint();
    const { origin } = request.headers;
    if (!edge.acceptsOrigin(origin)) {
      reject(request.raw, undefined, "origin_not_allowed");
      void reply.code(403).send({ error: "origin_not_allowed" });
      return;
    }
    if (origin !== undefined) allowOrigin(reply, origin);
    if (request.method === "OPTIONS" && request.headers["access-control-request-method"]) {
      answerPreflight(request, reply);
      return;
    }
    const proceed = (principal: Principal): void => {
      parts.onBelieved();
      request.principal = principal;
      if (request.method === "POST") done();
      else {
        reject(request.raw, principal, "method_not_allowed");
        void reply.code(405).header("allow", "POST").send({ error: "method_not_allowed" });
      }
    };
    const query = request.url.split("?", 2)[1];
    try {
      const known = authenticate.known(request.raw.rawHeaders, query);
      if (known) proceed(known);
      else {
        const { method, raw } = request;
        const certificate = (): string | undefined =>
          parts.tls && certificateOf(raw.socket, parts.tls);
        authenticate(raw.rawHeaders, query, method, certificate).then(proceed, (error: unknown) => {
          refuse(error, request, reply);
        });
      }
    } catch (error) {
      refuse(error, request, reply);
    }
  };

  app.all(parts.path, { onRequest }, (request, reply) => {
    const { raw, principal } = request;
    if (principal === undefined) throw new TypeError("a request that nobody authenticated");
    reply.hijack();
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    // Without a body there is no parser that would refuse it.
    const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
    parts.serve({ request: raw, response: reply.raw, principal, body });
  });
}

/** Browsers may read the answer, and the challenge in it, only from origins on the list. */
function allowOrigin(reply: FastifyReply, origin: string): void {
  void reply.headers({
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "www-authenticate",
    vary: "origin",
  });
}

const neededHeaders = [
  "authorization",
  "dpop",
  "content-type",
  "mcp-protocol-version",
  "mcp-method",
  "mcp-name",
];

/** Which arguments a call repeats as headers its preflight does not tell: those it asks for, then. */
function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
  const asked = headers["access-control-request-headers"]?.toLowerCase().split(/[,\s]+/) ?? [];
  const repeated = asked.filter((name) => /^mcp-param-[a-z0-9_-]+$/.test(name));
  void reply
    .headers({
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": [...neededHeaders, ...repeated].join(", "),
      "access-control-max-age": "600",
    })
    .code(204)
    .send();
}

/** A call that could not be answered: a challenge when nothing was written, else the end. */
function finish(error: unknown, response: ServerResponse, parts: McpParts, ports: Ports): void {
  if (response.headersSent) {
    ports.log.error("internal_error", {}, error);
    response.destroy();
  } else if (error instanceof AuthError) {
    const { status, headers, body } = parts.endpoint().refuse(error);
    response.writeHead(status, headers).end(body);
  } else {
    ports.log.error("internal_error", {}, error);
    const body = { jsonrpc: "2.0", id: null, error: { code: -32603, message: "Internal error" } };
    response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}
