import type { Ports } from "../base/ports.ts";
import type { BrokerStoreConfig } from "../config/types/broker.ts";
import { openRows } from "./store/open.ts";
import { createRecords } from "./store/records.ts";
import { createStore } from "./store/store.ts";

/** A client that registered itself. Times are ISO 8601. */
export interface LedgerClient {
  readonly id: string;
  readonly name: string | undefined;
  readonly redirectUris: readonly string[];
  readonly registeredAt: string;
  /** To the day. */
  readonly usedAt: string;
}

/** What a person allowed a client. */
export interface LedgerGrant {
  readonly id: string;
  readonly sub: string;
  readonly clientId: string;
  readonly resources: readonly string[];
  readonly scopes: readonly string[];
  readonly grantedAt: string;
  readonly endsAt: string;
}

/** The store of a broker, for an operator who looks into it beside the running gateway. */
export interface Ledger {
  readonly clients: () => Promise<readonly LedgerClient[]>;
  readonly grants: () => Promise<readonly LedgerGrant[]>;
  /** Ends the client and every grant it has; false when there is none. */
  readonly revokeClient: (id: string) => Promise<boolean>;
  readonly revokeGrant: (id: string) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

interface KeptGrant {
  readonly jti: string;
  readonly accountId: string;
  readonly clientId: string;
  readonly iat: number;
  readonly exp: number;
  readonly openid?: { readonly scope?: string };
  readonly resources?: Readonly<Record<string, string>>;
}

/** @throws Error of the store when it cannot be opened. */
export async function openLedger(config: BrokerStoreConfig, ports: Ports): Promise<Ledger> {
  const records = createRecords(await openRows(config, ports), ports.now);
  const store = createStore(records, ports.now);
  const grants = async (): Promise<readonly LedgerGrant[]> => {
    const found: LedgerGrant[] = [];
    for await (const grant of records.list<KeptGrant>("op-Grant")) found.push(describe(grant));
    return found.toSorted((a, b) => a.grantedAt.localeCompare(b.grantedAt));
  };
  const revokeGrant = async (id: string): Promise<boolean> => {
    const known = await store.grantExists(id);
    await store.endGrant(id);
    return known;
  };
  return {
    grants,
    revokeGrant,
    async clients() {
      const found: LedgerClient[] = [];
      for await (const { metadata, registeredAt, usedAt } of store.clients.list()) {
        const { client_id: id, client_name: name, redirect_uris: uris } = metadata;
        found.push({
          id: String(id),
          name: typeof name === "string" ? name : undefined,
          redirectUris: Array.isArray(uris) ? uris.map(String) : [],
          registeredAt: new Date(registeredAt).toISOString(),
          usedAt: new Date(usedAt).toISOString(),
        });
      }
      return found.toSorted((a, b) => a.registeredAt.localeCompare(b.registeredAt));
    },
    async revokeClient(id) {
      const known = await store.clients.remove(id);
      const its = (await grants()).filter(({ clientId }) => clientId === id);
      for (const grant of its) await revokeGrant(grant.id);
      return known || its.length > 0;
    },
    close: records.close,
  };
}

function describe(grant: KeptGrant): LedgerGrant {
  const resources = Object.entries(grant.resources ?? {});
  const scopes = [grant.openid?.scope ?? "", ...resources.map(([, scope]) => scope)];
  return {
    id: grant.jti,
    sub: grant.accountId,
    clientId: grant.clientId,
    resources: resources.map(([resource]) => resource),
    scopes: scopes.flatMap((text) => text.split(" ")).filter((scope) => scope !== ""),
    grantedAt: new Date(grant.iat * 1000).toISOString(),
    endsAt: new Date(grant.exp * 1000).toISOString(),
  };
}
