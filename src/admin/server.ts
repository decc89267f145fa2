import Fastify from "fastify";
import type { Listen } from "../config/config.ts";

export interface AdminServer {
  readonly listen: () => Promise<{ readonly port: number }>;
  readonly close: () => Promise<void>;
}

/**
 * The operator's listener, apart from the public port. `/livez`: the event loop turns. `/readyz`:
 * each check by name; an API's health is none of them, since it must not take the gate down.
 *
 * @param checks Undefined for a check that passes, else why it does not.
 */
export function createAdminServer(
  listen: Listen,
  checks: () => Readonly<Record<string, string | undefined>>,
): AdminServer {
  const app = Fastify({ forceCloseConnections: true });
  app.get("/livez", (_, reply) => void reply.send({ status: "ok" }));
  app.get("/readyz", (_, reply) => {
    const results = Object.entries(checks());
    const ready = results.every(([, problem]) => problem === undefined);
    void reply.code(ready ? 200 : 503).send({
      status: ready ? "ok" : "unready",
      checks: Object.fromEntries(results.map(([name, problem]) => [name, problem ?? "ok"])),
    });
  });
  return {
    async listen() {
      await app.listen(listen);
      const address = app.server.address();
      return { port: typeof address === "object" && address ? address.port : listen.port };
    },
    close: () => app.close(),
  };
}
