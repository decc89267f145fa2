import type { Principal } from "../base/principal.ts";
import type { Endpoint, Snapshot } from "../gateway/snapshot.ts";
import { explainCredential, type Hop } from "../upstream/credential/explain.ts";

/** Why a call would go the way it does: who calls, whether they may, and each token on the way. */
export interface Explanation {
  readonly caller: {
    readonly iss: string;
    readonly sub: string;
    readonly clientId: string | null;
    readonly scopes: readonly string[];
    /** RFC 3339; null: never. */
    readonly expiresAt: string | null;
  };
  readonly policy: Verdict;
  readonly hops: readonly Hop[];
}

export interface Verdict {
  readonly allowed: boolean;
  /** Why not. */
  readonly reason: string | null;
  /** Every scope that the tool needs, when one is missing. */
  readonly needs: readonly string[];
}

export const allowed: Verdict = { allowed: true, reason: null, needs: [] };

export function explainCall(
  { config }: Snapshot,
  { catalog }: Endpoint,
  name: string,
  { principal, policy }: { readonly principal: Principal; readonly policy: Verdict },
): Explanation {
  const { iss, sub, clientId, scopes, expiresAt } = principal;
  const tool = catalog.tools.get(name);
  const api = config.apis.find(({ id }) => id === tool?.api);
  const gateway = {
    url: config.server.url,
    clients: config.clients,
    providers: config.connections?.providers ?? new Map(),
  };
  return {
    caller: {
      iss,
      sub,
      clientId: clientId ?? null,
      scopes: [...scopes],
      expiresAt: Number.isFinite(expiresAt) ? new Date(expiresAt).toISOString() : null,
    },
    policy,
    hops:
      tool === undefined || api === undefined || !policy.allowed
        ? []
        : explainCredential(api, tool.operation, gateway),
  };
}

/** For people: one line per fact. */
export function formatExplanation({ caller, policy, hops }: Explanation): string {
  const { sub, iss, clientId, scopes, expiresAt } = caller;
  const needs = policy.needs.length === 0 ? "" : `; needs ${policy.needs.join(" ")}`;
  return [
    `caller  ${sub} of ${iss || "nobody"}${clientId === null ? "" : ` by ${clientId}`}`,
    `        scopes ${listed(scopes)}${expiresAt === null ? "" : `, until ${expiresAt}`}`,
    `policy  ${policy.allowed ? "allowed" : `refused: ${policy.reason}${needs}`}`,
    ...hops.flatMap((hop) => [
      `token   ${hop.grant} at ${hop.tokenUrl ?? hop.issuer}${hop.client === null ? "" : ` as ${hop.client} by ${hop.auth}`}`,
      `        audience ${listed(hop.audience)}, resource ${listed(hop.resource)}, scope ${listed(hop.scope)}`,
      `        kept ${hop.kept}; in this process: ${hop.cache}`,
    ]),
  ].join("\n");
}

function listed(values: readonly string[]): string {
  return values.length === 0 ? "—" : values.join(" ");
}
