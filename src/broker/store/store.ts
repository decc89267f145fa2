import { InvalidGrant } from "oidc-provider/lib/helpers/errors.js";
import type { Account } from "../login.ts";
import type { Adapter, Payload } from "./adapter.ts";
import { createClientStore, type ClientStore } from "./client-store.ts";
import { createEndedGrants, type EndedGrants } from "./ended-grants.ts";
import type { Kind, Records } from "./records.ts";

/** Everything the broker remembers, whatever keeps it. */
export interface Store {
  readonly adapter: (model: string) => Adapter;
  readonly clients: ClientStore;
  /** A person has let this client send them to this redirect URI. */
  readonly approve: (clientId: string, redirectUri: string) => Promise<void>;
  readonly approved: (clientId: string, redirectUri: string) => Promise<boolean>;
  readonly rememberAccount: (account: Account) => Promise<void>;
  readonly accountOf: (sub: string) => Promise<Account | undefined>;
  /** Ends a grant: what it brought is worth nothing from now on. */
  readonly endGrant: (grantId: string) => Promise<void>;
  readonly grantExists: (grantId: string) => Promise<boolean>;
  readonly ended: EndedGrants;
  readonly records: Records;
}

const day = 86_400_000;
const approvedFor = 30 * day;
/** A day longer than any grant (90 days), which needs its person at every refresh. */
const accountKeptFor = 91 * day;
const refreshGrace = 10_000;
/** For what oidc-provider keeps without a lifetime. */
const longest = 400 * day;

/** @param uptime Measures the grace of refresh tokens. */
export function createStore(
  records: Records,
  now: () => number,
  uptime: () => number = now,
): Store {
  const clients = createClientStore(records, now);
  const clock = { now, uptime };
  const grants = createAdapter("Grant", records, clock);
  const ended = createEndedGrants(records, now);
  const endGrant = async (grantId: string): Promise<void> => {
    // First, because nobody would tell of one that is gone already.
    await ended.tell(grantId);
    await grants.destroy(grantId);
    await records.delete("vault", grantId);
  };
  return {
    records,
    clients,
    adapter(model) {
      if (model === "Client") return clients.adapter;
      if (model === "Grant") return { ...grants, destroy: endGrant };
      const adapter = createAdapter(model, records, clock);
      return { ...adapter, consume: createConsume({ model, adapter, endGrant }, records, clock) };
    },
    async approve(clientId, redirectUri) {
      await records.put("approval", pair(clientId, redirectUri), {}, now() + approvedFor);
      await clients.keep(clientId);
    },
    approved: async (clientId, redirectUri) =>
      (await records.get("approval", pair(clientId, redirectUri))) !== undefined,
    rememberAccount: (account) =>
      records.put("account", account.sub, account, now() + accountKeptFor),
    accountOf: (sub) => records.get<Account>("account", sub),
    endGrant,
    ended,
    grantExists: async (grantId) => (await grants.find(grantId)) !== undefined,
  };
}

function pair(clientId: string, redirectUri: string): string {
  return JSON.stringify([clientId, redirectUri]);
}

interface Clock {
  readonly now: () => number;
  readonly uptime: () => number;
}

interface Used {
  readonly at: number;
  readonly up: number;
}

function createAdapter(model: string, records: Records, { now, uptime }: Clock): Adapter {
  const kind: Kind = `op-${model}`;
  /** Two processes of one client may refresh at once, or lose an answer (RFC 9700 §4.14.2). */
  const forgiving = model === "RefreshToken";
  const find = async (id: string): Promise<Payload | undefined> => {
    const payload = await records.get<Payload>(kind, id);
    if (payload === undefined) return undefined;
    const used = await records.get<Used>("consumed", `${model} ${id}`);
    if (used === undefined || (forgiving && uptime() - used.up < refreshGrace)) return payload;
    return { ...payload, consumed: Math.floor(used.at / 1000) };
  };
  return {
    find,
    async upsert(id, payload, expiresIn) {
      const expiresAt = now() + (expiresIn === undefined ? longest : expiresIn * 1000);
      await records.put(kind, id, payload, expiresAt);
      if (payload.uid !== undefined) await records.put("uid", payload.uid, { id }, expiresAt);
    },
    async findByUid(uid) {
      const found = await records.get<{ readonly id: string }>("uid", uid);
      return found && find(found.id);
    },
    async consume() {},
    destroy: (id) => records.delete(kind, id),
    // Revocation also destroys the grant, and neither code nor refresh token works without it.
    async revokeByGrantId() {},
  };
}

/**
 * Marks a code or refresh token as used, in a row of its own that only the first of all replicas
 * can write. The grace of a refresh token counts from that first use, or a thief could prolong it
 * for ever.
 */
function createConsume(
  of: {
    readonly model: string;
    readonly adapter: Adapter;
    readonly endGrant: (grantId: string) => Promise<void>;
  },
  records: Records,
  { now, uptime }: Clock,
): Adapter["consume"] {
  return async (id) => {
    const payload = await of.adapter.find(id);
    if (payload === undefined) return;
    const expiresAt = payload.exp === undefined ? now() + longest : payload.exp * 1000;
    const used: Used = { at: now(), up: uptime() };
    const first = await records.add("consumed", `${of.model} ${id}`, used, expiresAt);
    if (first || of.model === "RefreshToken") return;
    // Both found it unused; only one may have it, and the grant may be in a thief's hands.
    if (payload.grantId !== undefined) await of.endGrant(payload.grantId);
    throw new InvalidGrant(`${of.model} already consumed`);
  };
}
