import { createCache } from "../../base/cache.ts";
import type { Records } from "./records.ts";
import type { Adapter, Payload } from "./adapter.ts";

/** Clients that registered themselves. */
export interface ClientStore {
  readonly adapter: Adapter;
  /** A person approved it: it stays until nobody used it for 30 days. */
  readonly keep: (id: string) => Promise<void>;
  readonly list: () => AsyncIterable<KeptClient>;
  readonly remove: (id: string) => Promise<boolean>;
}

interface KeptClient {
  readonly metadata: Payload;
  /** Milliseconds since the epoch. */
  readonly registeredAt: number;
  readonly usedAt: number;
}

const hour = 3_600_000;
const day = 24 * hour;
/** A client that nobody approved within an hour is forgotten, an unused one after 30 days. */
const unapprovedFor = hour;
const unusedFor = 30 * day;
const maxUnapproved = 1_000;

/**
 * Registration is open, so clients that no person approved yet are a kind of their own, and only so
 * many of them: a flood pushes out the oldest of them and takes no room from anything else.
 */
export function createClientStore(records: Records, now: () => number): ClientStore {
  const newcomers = createCache<true>(maxUnapproved, now, (id) => {
    void records.delete("newcomer", id);
  });
  const write = (id: string, client: KeptClient): Promise<void> =>
    records.put("client", id, client, client.usedAt + unusedFor);

  const keep = async (id: string): Promise<void> => {
    const newcomer = await records.take<KeptClient>("newcomer", id);
    newcomers.delete(id);
    const client = newcomer ?? (await records.get<KeptClient>("client", id));
    if (client !== undefined) await write(id, { ...client, usedAt: now() });
  };

  const find = async (id: string): Promise<Payload | undefined> => {
    const client = await records.get<KeptClient>("client", id);
    if (client === undefined) return (await records.get<KeptClient>("newcomer", id))?.metadata;
    // Once a day is enough to know that somebody still uses it.
    if (now() - client.usedAt > day) await write(id, { ...client, usedAt: now() });
    return client.metadata;
  };

  const remove = async (id: string): Promise<boolean> => {
    const known = (await find(id)) !== undefined;
    newcomers.delete(id);
    await records.delete("newcomer", id);
    await records.delete("client", id);
    return known;
  };

  return {
    keep,
    remove,
    async *list() {
      yield* records.list<KeptClient>("client");
      yield* records.list<KeptClient>("newcomer");
    },
    adapter: {
      async upsert(id, metadata) {
        const client = { metadata, registeredAt: now(), usedAt: now() };
        await records.put("newcomer", id, client, now() + unapprovedFor);
        newcomers.set(id, true, now() + unapprovedFor);
      },
      find,
      findByUid: async () => undefined,
      async consume() {},
      async destroy(id) {
        await remove(id);
      },
      async revokeByGrantId() {},
    },
  };
}
