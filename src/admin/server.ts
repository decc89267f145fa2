import { isIP } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import type { JsonObject } from "../base/json.ts";
import type { Listen } from "../config/types/server.ts";

export interface OperatorServer {
  readonly listen: () => Promise<{ readonly port: number }>;
  /** Cuts what is under way: nobody waits for a page of numbers. */
  readonly close: () => Promise<void>;
}

export interface HealthParts {
  /** Undefined for a check that passes, else why it does not. */
  readonly checks: () => Readonly<Record<string, string | undefined>>;
  /** What does not work and keeps nobody from being served. */
  readonly warnings: () => Readonly<Record<string, string>>;
  /** In the text format of Prometheus. */
  readonly metrics: () => string;
}

export interface AdminParts extends HealthParts {
  readonly configStatus: () => JsonObject;
}

/**
 * The operator's listener, on loopback and apart from the public port: health, metrics and
 * `/config/status`: what serves, and what was refused.
 */
export function createAdminServer(listen: Listen, parts: AdminParts): OperatorServer {
  const app = Fastify({ forceCloseConnections: true });
  app.addHook("onRequest", (request, reply, done) => {
    if (isAddressed(request.headers.host)) done();
    else void reply.code(403).send({ error: "host_not_allowed" });
  });
  addHealth(app, parts);
  app.get("/config/status", (_, reply) => void reply.send(parts.configStatus()));
  return serverOf(app, listen);
}

/** Connections at the same time to the listener that the network reaches. */
const maxScrapers = 64;
/** For a request to be there, and for a connection without one: else a few would keep all others out. */
const scrapeMs = 5_000;

/** Health and metrics for the network, where scrapers use names. A browser is none of them. */
export function createMetricsServer(listen: Listen, parts: HealthParts): OperatorServer {
  const app = Fastify({
    forceCloseConnections: true,
    keepAliveTimeout: scrapeMs,
    requestTimeout: scrapeMs,
    http: { headersTimeout: scrapeMs, connectionsCheckingInterval: scrapeMs / 5 },
  });
  app.addHook("onRequest", ({ headers }, reply, done) => {
    const browser = headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
    if (browser) void reply.code(403).send({ error: "no_browsers" });
    else done();
  });
  app.server.maxConnections = maxScrapers;
  addHealth(app, parts);
  return serverOf(app, listen);
}

/**
 * `/livez`: the event loop turns. `/readyz`: each check by name; an API's health is none of them,
 * since it must not take the gate down. `/metrics`.
 */
function addHealth(app: FastifyInstance, parts: HealthParts): void {
  app.get("/livez", (_, reply) => void reply.send({ status: "ok" }));
  app.get("/readyz", (_, reply) => {
    const results = Object.entries(parts.checks());
    const ready = results.every(([, problem]) => problem === undefined);
    const warnings = parts.warnings();
    void reply.code(ready ? 200 : 503).send({
      status: ready ? "ok" : "unready",
      checks: Object.fromEntries(results.map(([name, problem]) => [name, problem ?? "ok"])),
      ...(Object.keys(warnings).length === 0 ? {} : { warnings }),
    });
  });
  app.get("/metrics", (_, reply) => {
    void reply.type("text/plain; version=0.0.4; charset=utf-8").send(parts.metrics());
  });
}

function serverOf(app: FastifyInstance, listen: Listen): OperatorServer {
  return {
    async listen() {
      await app.listen(listen);
      const address = app.server.address();
      return { port: typeof address === "object" && address ? address.port : listen.port };
    },
    close: () => app.close(),
  };
}

/** A page that had its name point here would say that name (DNS rebinding); an address cannot be rebound. */
function isAddressed(host: string | undefined): boolean {
  const name = /^(?:\[([0-9a-f:.]+)\]|([^:]+))(?::\d{1,5})?$/i.exec(host ?? "");
  const written = name?.[1] ?? name?.[2] ?? "";
  return written.toLowerCase() === "localhost" || isIP(written) !== 0;
}
