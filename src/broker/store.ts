import { createCache, type Cache } from "../base/cache.ts";

/** What oidc-provider keeps. */
interface Payload {
  readonly uid?: string;
  readonly consumed?: number;
  readonly [key: string]: unknown;
}

/** The storage interface of oidc-provider for one of its models. */
interface Adapter {
  readonly upsert: (id: string, payload: Payload, expiresIn?: number) => Promise<void>;
  readonly find: (id: string) => Promise<Payload | undefined>;
  readonly findByUid: (uid: string) => Promise<Payload | undefined>;
  readonly consume: (id: string) => Promise<void>;
  readonly destroy: (id: string) => Promise<void>;
  readonly revokeByGrantId: (grantId: string) => Promise<void>;
}

export interface Store {
  readonly adapter: (model: string) => Adapter;
  /** A person has let this client send them to this redirect URI. */
  readonly approve: (clientId: string, redirectUri: string) => Promise<void>;
  readonly approved: (clientId: string, redirectUri: string) => boolean;
}

const maxEntries = 10_000;
const hour = 3_600_000;
const day = 24 * hour;
/** A client that nobody approved within an hour is forgotten, an unused one after 30 days. */
const unapprovedFor = hour;
const unusedFor = 30 * day;
const refreshGrace = 10_000;

/** Everything in memory and bounded: the development broker forgets all of it when it stops. */
export function createStore(now: () => number): Store {
  const clients = createClientStore(now);
  const approvals = createCache<true>(maxEntries, now);
  return {
    adapter: (model) =>
      model === "Client" ? clients.adapter : createAdapter(now, model === "RefreshToken"),
    async approve(clientId, redirectUri) {
      approvals.set(approvalKey(clientId, redirectUri), true, now() + unusedFor);
      clients.keep(clientId);
    },
    approved: (clientId, redirectUri) =>
      approvals.get(approvalKey(clientId, redirectUri)) !== undefined,
  };
}

function approvalKey(clientId: string, redirectUri: string): string {
  return JSON.stringify([clientId, redirectUri]);
}

/**
 * @param forgiving Two processes of one client may refresh at once, or lose an answer: for ten
 *   seconds a used token still reads as unused. Later use is theft and revokes the grant
 *   (RFC 9700 §4.14.2).
 */
function createAdapter(now: () => number, forgiving: boolean): Adapter {
  interface Entry {
    readonly payload: Payload;
    readonly consumedAt: number | undefined;
    readonly expiresAt: number;
  }
  const entries = createCache<Entry>(maxEntries, now);
  const idByUid = createCache<string>(maxEntries, now);

  const find = async (id: string): Promise<Payload | undefined> => {
    const entry = entries.get(id);
    if (entry?.consumedAt === undefined) return entry?.payload;
    if (forgiving && now() - entry.consumedAt < refreshGrace) return entry.payload;
    return { ...entry.payload, consumed: Math.floor(entry.consumedAt / 1000) };
  };
  return {
    find,
    async upsert(id, payload, expiresIn) {
      const expiresAt =
        expiresIn === undefined ? Number.POSITIVE_INFINITY : now() + expiresIn * 1000;
      entries.set(id, { payload, consumedAt: undefined, expiresAt }, expiresAt);
      if (payload.uid !== undefined) idByUid.set(payload.uid, id, expiresAt);
    },
    async findByUid(uid) {
      const id = idByUid.get(uid);
      return id === undefined ? undefined : find(id);
    },
    async consume(id) {
      const entry = entries.get(id);
      // The grace counts from the first use, or a thief could prolong it for ever.
      if (entry === undefined || entry.consumedAt !== undefined) return;
      entries.set(id, { ...entry, consumedAt: now() }, entry.expiresAt);
    },
    async destroy(id) {
      entries.delete(id);
    },
    // Revocation also destroys the grant, and neither code nor refresh token works without it.
    async revokeByGrantId() {},
  };
}

/**
 * Registered clients. Registration is open, so those that no person approved yet live in a cache of
 * their own: a flood of them pushes out only each other.
 */
function createClientStore(now: () => number): {
  readonly adapter: Adapter;
  readonly keep: (id: string) => void;
} {
  const unapproved = createCache<Payload>(1000, now);
  const approved: Cache<Payload> = createCache<Payload>(maxEntries, now);
  const keep = (id: string): Payload | undefined => {
    const payload = approved.get(id) ?? unapproved.get(id);
    if (payload === undefined) return undefined;
    unapproved.delete(id);
    approved.set(id, payload, now() + unusedFor);
    return payload;
  };
  return {
    keep,
    adapter: {
      async upsert(id, payload) {
        unapproved.set(id, payload, now() + unapprovedFor);
      },
      find: async (id) => (approved.get(id) ? keep(id) : unapproved.get(id)),
      findByUid: async () => undefined,
      async consume() {},
      async destroy(id) {
        unapproved.delete(id);
        approved.delete(id);
      },
      async revokeByGrantId() {},
    },
  };
}
