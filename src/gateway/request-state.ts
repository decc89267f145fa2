import { createSealer } from "../base/seal.ts";
import type { Config } from "../config/config.ts";
import { createRequestState, type RequestState } from "../mcp/request-state.ts";
import type { Catalog } from "../tools/catalog.ts";
import { createTickets } from "../upstream/credential/ticket.ts";
import type { Lasting } from "./lasting.ts";

/** undefined: no call ever asks for input. */
export function compileRequestState(
  config: Config,
  { tools }: Catalog,
  { kept: { store, ownKey }, shared }: Lasting,
  now: () => number,
): RequestState | undefined {
  const { connections, replicas } = config;
  const asks = [...tools.values()].some(({ confirm }) => confirm !== undefined);
  if (connections === undefined && !asks) return undefined;
  const keys = [connections?.keys, replicas?.keys].find((some) => some && some.length > 0);
  const marks = {
    get: store.get,
    // Where the store is of this process alone, another replica must not take it for unused.
    add: async (key: string, value: Uint8Array, expiresAt: number) =>
      (await store.add(key, value, expiresAt)) &&
      (shared === undefined || (await shared.mark(key, expiresAt))),
  };
  const sealer = createSealer(keys ?? [ownKey], "ticket");
  return createRequestState(createTickets({ store: marks, sealer }, now));
}
