import type { ServerResponse } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Authenticate } from "../auth/authenticate.ts";
import type { Refusal } from "../auth/challenge.ts";
import { AuthError } from "../base/errors.ts";
import type { JsonValue } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import type { Listen } from "../config/config.ts";
import type { McpExchange } from "../mcp/endpoint.ts";
import type { Edge } from "./edge.ts";
import { parseJsonBody } from "./json-body.ts";

/** What a request needs of the snapshot it meets. */
export interface HttpService {
  readonly edge: Edge;
  readonly authenticate: Authenticate;
  readonly refuse: (error: AuthError) => Refusal;
  /** Protected-resource metadata by request path; empty without OAuth. */
  readonly metadata: ReadonlyMap<string, string>;
}

export interface HttpParts {
  readonly listen: Listen;
  readonly maxRequestBytes: number;
  /** Path of the MCP endpoint. */
  readonly path: string;
  readonly service: () => HttpService;
  readonly post: (exchange: McpExchange) => Promise<void>;
  /** Told of every caller that was not believed. */
  readonly onRefused: (error: AuthError) => void;
}

export interface HttpServer {
  readonly listen: () => Promise<{ readonly port: number }>;
  /** Stops accepting, waits for requests in flight. */
  readonly close: () => Promise<void>;
}

const headersTimeoutMs = 10_000;
const requestTimeoutMs = 10_000;

/**
 * The public listener. Checks in this order, whatever the body says: Host and Origin (403), token
 * (401), method (405), media type (415), size (413), JSON (400).
 */
export function createHttpServer(parts: HttpParts, ports: Ports): HttpServer {
  const app = Fastify({
    bodyLimit: parts.maxRequestBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: "idle",
    http: { headersTimeout: headersTimeoutMs },
    exposeHeadRoutes: false,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    if (request.headers["content-encoding"] !== undefined) done(unsupportedMediaType());
    else done(null, parseJsonBody(body as Buffer));
  });
  app.setErrorHandler<Error & { statusCode?: number }>((error, _, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) ports.log.error("internal_error", {}, error);
    void reply.code(status).send({ error: status >= 500 ? "internal_error" : describe(status) });
  });
  app.setNotFoundHandler((_, reply) => void reply.code(404).send({ error: "not_found" }));
  app.addHook("onRequest", (request, reply, done) => {
    if (parts.service().edge.acceptsHost(request.raw.rawHeaders)) done();
    else void reply.code(403).send({ error: "host_not_allowed" });
  });
  serveMetadata(app, parts);
  serveMcp(app, parts, ports);
  return {
    async listen() {
      await app.listen(parts.listen);
      const address = app.server.address();
      return { port: typeof address === "object" && address ? address.port : parts.listen.port };
    },
    close: () => app.close(),
  };
}

function describe(status: number): string {
  if (status === 413) return "request_too_large";
  return status === 415 ? "unsupported_media_type" : "invalid_request";
}

function unsupportedMediaType(): Error {
  return Object.assign(new Error("unsupported media type"), { statusCode: 415 });
}

/** RFC 9728; open to every origin, because it says nothing that is not public. */
function serveMetadata(app: FastifyInstance, { service }: HttpParts): void {
  const handler = (request: FastifyRequest, reply: FastifyReply): void => {
    const body = service().metadata.get(request.url.split("?", 1)[0] ?? "");
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

function serveMcp(app: FastifyInstance, parts: HttpParts, ports: Ports): void {
  const principals = new WeakMap<FastifyRequest, Principal>();

  const refuse = (error: unknown, reply: FastifyReply): void => {
    if (!(error instanceof AuthError)) {
      ports.log.error("internal_error", {}, error);
      void reply.code(500).send({ error: "internal_error" });
      return;
    }
    parts.onRefused(error);
    const { status, headers, body } = parts.service().refuse(error);
    void reply.code(status).headers(headers).send(body);
  };

  const onRequest = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { edge, authenticate } = parts.service();
    const { origin } = request.headers;
    if (!edge.acceptsOrigin(origin)) {
      void reply.code(403).send({ error: "origin_not_allowed" });
      return;
    }
    if (origin !== undefined) allowOrigin(reply, origin);
    if (request.method === "OPTIONS" && request.headers["access-control-request-method"]) {
      answerPreflight(reply);
      return;
    }
    const proceed = (principal: Principal): void => {
      if (request.method === "POST") {
        principals.set(request, principal);
        done();
      } else {
        void reply.code(405).header("allow", "POST").send({ error: "method_not_allowed" });
      }
    };
    const query = request.url.split("?", 2)[1];
    try {
      const known = authenticate.known(request.raw.rawHeaders, query);
      if (known) proceed(known);
      else {
        authenticate(request.raw.rawHeaders, query).then(proceed, (error: unknown) => {
          refuse(error, reply);
        });
      }
    } catch (error) {
      refuse(error, reply);
    }
  };

  app.all(parts.path, { onRequest }, (request, reply) => {
    const principal = principals.get(request);
    const { body } = request;
    if (principal === undefined || body === undefined || body === null) {
      const error = { code: -32700, message: "Parse error" };
      void reply.code(400).send({ jsonrpc: "2.0", id: null, error });
      return;
    }
    reply.hijack();
    const { raw: response } = reply;
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) response.setHeader(name, value);
    }
    parts
      .post({ request: request.raw, response, body: body as JsonValue, principal })
      .catch((error: unknown) => {
        finish(error, response, parts, ports);
      });
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

function answerPreflight(reply: FastifyReply): void {
  void reply
    .headers({
      "access-control-allow-methods": "POST",
      "access-control-allow-headers":
        "authorization, content-type, mcp-protocol-version, mcp-method, mcp-name",
      "access-control-max-age": "600",
    })
    .code(204)
    .send();
}

/** A call that could not be answered: a challenge when nothing was written, else the end. */
function finish(error: unknown, response: ServerResponse, parts: HttpParts, ports: Ports): void {
  if (response.headersSent) {
    ports.log.error("internal_error", {}, error);
    response.destroy();
  } else if (error instanceof AuthError) {
    const { status, headers, body } = parts.service().refuse(error);
    response.writeHead(status, headers).end(body);
  } else {
    ports.log.error("internal_error", {}, error);
    const body = { jsonrpc: "2.0", id: null, error: { code: -32603, message: "Internal error" } };
    response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}
