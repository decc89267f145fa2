import type { AuthenticateDeps } from "../auth/authenticate.ts";
import type { Introspect } from "../auth/introspection.ts";
import type { Ports } from "../base/ports.ts";
import type { Config } from "../config/config.ts";
import { createBulkhead } from "../limits/bulkhead.ts";
import { createIntrospect } from "../upstream/credential/introspect.ts";
import type { Lasting } from "./lasting.ts";

/** Of one issuer, whichever endpoints ask. Strangers decide how many tokens there are to ask about. */
const size = { places: 64, queue: 64, queueMs: 1_000 };

/** How to ask the issuers about their tokens, by issuer. */
export function compileIntrospect(
  { auth, clients }: Config,
  lasting: Lasting,
  ports: Ports,
): AuthenticateDeps["introspect"] {
  const issuers = auth.mode === "oauth" ? auth.issuers : [];
  return new Map(
    issuers.flatMap(({ issuer, introspection }) => {
      const client = introspection && clients.get(introspection.client);
      if (client === undefined) return [];
      return [[issuer, bound(createIntrospect(client, introspection?.url, lasting, ports))]];
    }),
  );
}

/** @throws CallError `busy` (the returned function) when as many as may be ask or wait. */
function bound(introspect: Introspect): Introspect {
  const { enter, leave } = createBulkhead(size, "Too many tokens are being asked about.");
  return async (token) => {
    await enter(undefined);
    try {
      return await introspect(token);
    } finally {
      leave();
    }
  };
}
