import { type Cache, createCache } from "../../base/cache.ts";
import { CallError } from "../../base/errors.ts";
import type { Ports } from "../../base/ports.ts";
import type { Principal } from "../../base/principal.ts";
import { Secret } from "../../base/secret.ts";
import type { ProviderConfig } from "../../config/types/connections.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { Credential } from "./credential-parts.ts";
import { bearerOf, type Grant } from "./grant.ts";
import { type TokenDeps, tokenKey, unlessCancelled } from "./token-cache.ts";
import type { TokenReply } from "./token-endpoint.ts";
import { explainFailure, TokenFailure } from "./token-failure.ts";
import type { Connection, Owner, Vault } from "./vault.ts";

/** A token must not end between here and the API. */
const marginMs = 30_000;
/** What is decrypted in memory; another replica may have replaced or ended it meanwhile. */
const maxKeptMs = 60_000;
const maxPeople = 10_000;

type ConnectionConfig = Extract<CredentialConfig, { kind: "connection" }>;

export interface ConnectionDeps extends TokenDeps {
  readonly vault: Vault;
  readonly provider: ProviderConfig;
  /** Where this person can connect an account; good once, for a few minutes. */
  readonly linkFor: (principal: Principal, provider: string) => string;
  readonly refused: RefusedTokens;
}

/** Access tokens that an API answered 401 to, by whose they are. Outlives a reload. */
export type RefusedTokens = Cache<string>;

export function createRefusedTokens(now: () => number): RefusedTokens {
  return createCache(maxPeople, now);
}

/** Of what is kept for one person and third party: all APIs with it share one request to renew it. */
export function connectionKey({ iss, sub, provider }: Owner): string {
  return tokenKey(["connection", iss, sub, provider]);
}

/** The account that the caller connected, or a link to where that is done. */
export function createConnection(
  api: string,
  config: ConnectionConfig,
  deps: ConnectionDeps,
  ports: Ports,
): Credential {
  const { client, requestToken, tokens, vault, provider, refused } = deps;
  const { now } = ports;
  const ownerOf = ({ iss, sub }: Principal): Owner => ({ iss, sub, provider: provider.name });
  const suffices = ({ scope }: { readonly scope?: readonly string[] }): boolean =>
    config.scope.every((name) => scope?.includes(name));

  /** @throws CallError `connection_required` */
  async function load(principal: Principal): Promise<Grant> {
    const owner = ownerOf(principal);
    const kept = await read(owner, principal);
    if (isUsable(kept, owner)) return toGrant(kept);
    // Alone: who disconnects meanwhile, or connects another account, has the last word.
    return toGrant(await vault.alone(owner, () => renew(owner, principal)));
  }

  async function read(owner: Owner, principal: Principal): Promise<Connection> {
    const kept = await vault.get(owner).catch(unavailable);
    if (kept === undefined) throw missing(principal);
    return kept;
  }

  function isUsable({ accessToken, expiresAt }: Connection, owner: Owner): boolean {
    if (refused.get(connectionKey(owner)) === accessToken.reveal()) return false;
    return expiresAt === undefined || expiresAt - marginMs > now();
  }

  async function renew(owner: Owner, principal: Principal): Promise<Connection> {
    const kept = await read(owner, principal);
    if (isUsable(kept, owner)) return kept;
    const { refreshToken } = kept;
    if (refreshToken === undefined) throw missing(principal);
    const requestedAt = now();
    try {
      const reply = await requestToken("refresh_token", [["refresh_token", refreshToken.reveal()]]);
      const renewed = toConnection(reply, requestedAt, kept);
      // Before its first use: after a crash the old refresh token may be worth nothing.
      await vault.put(owner, renewed).catch(unavailable);
      return renewed;
    } catch (error) {
      if (!(error instanceof TokenFailure) || error.code !== "invalid_grant") throw error;
      // Another replica may have been first, and what was refused is what it replaced.
      const current = await vault.get(owner).catch(unavailable);
      const isReplaced = current?.refreshToken?.reveal() !== refreshToken.reveal();
      if (current !== undefined && isReplaced && isUsable(current, owner)) return current;
      if (current !== undefined && !isReplaced) await vault.delete(owner);
      throw missing(principal);
    }
  }

  function toGrant({ accessToken, expiresAt = Infinity, scope }: Connection): Grant {
    const keptUntil = now() + maxKeptMs;
    return {
      parts: {
        headers: ["authorization", `Bearer ${accessToken.reveal()}`],
        query: "",
        cookie: "",
      },
      expiresAt: Math.min(expiresAt - marginMs, keptUntil),
      refreshAt: keptUntil,
      // It was not made from the token of a call, and what ends that does not end it.
      holder: undefined,
      scope,
    };
  }

  /** Without its store nobody can say whether there is an account: that is no reason to connect one. */
  function unavailable(cause: unknown): never {
    ports.log.error("vault_unavailable", { api }, cause);
    throw new CallError(
      "temporarily_unavailable",
      "The gateway cannot read connected accounts at the moment. Try again later.",
    );
  }

  function missing(principal: Principal): CallError {
    const { name, title } = provider;
    const url = deps.linkFor(principal, name);
    const reason = `Connect your ${title} account, so that this gateway can use it for you.`;
    return new CallError(
      "connection_required",
      `This tool uses the person's own account at ${title}, and none is connected yet, or it lacks what this tool needs. Show the person this link, and call the tool again once they have opened it and connected the account: ${url}`,
      { errand: { url, reason } },
    );
  }

  async function obtain(principal: Principal): Promise<Grant["parts"]> {
    if (principal.token === undefined) {
      throw new CallError(
        "credential_unavailable",
        `The API ${api} needs an account of the signed-in person, but this gateway runs without login (auth mode none).`,
      );
    }
    const source = {
      key: connectionKey(ownerOf(principal)),
      api,
      client: client.name,
      holder: principal,
    };
    try {
      const request = (): Promise<Grant> => load(principal);
      const grant = await tokens.obtain({ ...source, request });
      if (!suffices(grant)) throw missing(principal);
      return grant.parts;
    } catch (error) {
      throw error instanceof TokenFailure ? explainFailure(api, error) : error;
    }
  }

  return {
    get(principal, signal) {
      const grant = tokens.find(connectionKey(ownerOf(principal)));
      if (grant !== undefined && suffices(grant)) return grant.parts;
      return unlessCancelled(obtain(principal), signal);
    },
    invalidate(principal, parts) {
      const key = connectionKey(ownerOf(principal));
      refused.set(key, bearerOf(parts), now() + 10 * 60_000);
      return tokens.refuse({ key, api, client: client.name }, parts);
    },
  };
}

/**
 * What a third party answered, as it is kept.
 *
 * @param before What it leaves out stays as it was: refresh token (RFC 6749 §6) and scope (§5.1).
 */
export function toConnection(
  { accessToken, refreshToken, scope, expiresInMs }: TokenReply,
  requestedAt: number,
  before: Pick<Connection, "refreshToken" | "scope">,
): Connection {
  return {
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken === undefined ? before.refreshToken : new Secret(refreshToken),
    scope: scope ?? before.scope,
    expiresAt: expiresInMs === undefined ? undefined : requestedAt + expiresInMs,
  };
}
