import { createHash } from "node:crypto";

import { type Cache, createCache } from "../../base/cache.ts";
import type { CancelSignal } from "../../base/cancel.ts";
import { CallError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import type { Principal } from "../../base/principal.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import type { Grant } from "./grant.ts";
import type { CredentialParts } from "../request/request.ts";
import { createTokenCircuit, type TokenCircuit } from "./token-circuit.ts";
import type { RequestToken } from "./token-endpoint.ts";
import { isKept, logFailure, TokenFailure } from "./token-failure.ts";

const maxClients = 1_000;
const usualFailureMs = 5_000;
const quarantineMs = 30_000;

/** Where a token comes from and whom it is for. */
interface TokenSource {
  /** Of the kept token; two sources with one key share their tokens. */
  readonly key: string;
  readonly api: string;
  readonly client: string;
  /** Rejects with TokenFailure. */
  readonly request: () => Promise<Grant>;
  /** In whose name; absent: in the gateway's own. */
  readonly holder?: Principal;
  /** How long a refusal counts; absent: 5 s. */
  readonly failureMs?: number;
}

/** A request that is under way. */
interface Flight {
  readonly holder: Principal | undefined;
  readonly grant: Promise<Grant>;
  readonly state: { dropped: boolean };
}

/** Tokens the gateway got for calls. Memory only; outlives a reload: one per gateway. */
export interface TokenCache {
  readonly find: (key: string) => Grant | undefined;
  /** Of `find`, since the start. */
  readonly counts: { readonly hits: number; readonly misses: number };
  /**
   * Joins the request that is under way for this key, or starts it.
   *
   * @throws TokenFailure of the request, or the kept one of a moment ago.
   * @throws CallError `upstream_unauthorized`: the API refused two tokens within 30 s.
   */
  readonly obtain: (source: TokenSource) => Promise<Grant>;
  /** See `Credential.invalidate`. */
  readonly refuse: (
    source: Omit<TokenSource, "request" | "failureMs">,
    refused: CredentialParts,
  ) => boolean;
  /** Drops what was got in the name of such people, and what is still under way. */
  readonly forget: (isSuch: (holder: Principal) => boolean) => void;
  /** The next call asks again. */
  readonly drop: (key: string) => void;
  readonly circuit: (client: string) => TokenCircuit;
  /** People who were told to log in again, with the failure that said so. */
  readonly told: Cache<TokenFailure>;
}

/** What a credential kind that asks a token endpoint is made from. */
export interface TokenDeps {
  readonly client: ClientConfig;
  readonly requestToken: RequestToken;
  readonly tokens: TokenCache;
}

/** A request to a token endpoint that ended. */
export interface Obtained extends Pick<TokenSource, "api" | "client"> {
  readonly holder: Principal | undefined;
  /** Code of the failure; undefined: there is a token. */
  readonly reason: string | undefined;
  readonly durationMs: number;
}

/**
 * @param maxTokens The one that was not used for longest makes room.
 * @param onObtained Told of every request, not of tokens that were kept.
 */
export function createTokenCache(
  ports: Ports,
  maxTokens: number,
  onObtained: (obtained: Obtained) => void,
): TokenCache {
  const { now } = ports;
  const grants = createCache<Grant>(maxTokens, now);
  const failures = createCache<TokenFailure["code"]>(maxTokens, now);
  const refusals = createCache<CredentialParts>(maxTokens, now);
  const quarantine = createCache<true>(maxTokens, now);
  const circuits = createCache<TokenCircuit>(maxClients, now);
  const pending = new Map<string, Flight>();

  const counts = { hits: 0, misses: 0 };

  const tell = (source: TokenSource, startedAt: number, reason: string | undefined): void => {
    const { api, client, holder } = source;
    onObtained({ api, client, holder, reason, durationMs: now() - startedAt });
  };

  async function request(source: TokenSource, state: Flight["state"]): Promise<Grant> {
    const startedAt = now();
    try {
      const grant = await source.request();
      if (!state.dropped) grants.set(source.key, grant, grant.expiresAt);
      tell(source, startedAt, undefined);
      return grant;
    } catch (error) {
      if (error instanceof TokenFailure) {
        if (isKept(error) && !state.dropped)
          failures.set(source.key, error.code, now() + (source.failureMs ?? usualFailureMs));
        // Then nobody was asked.
        if (error.code !== "circuit_open") {
          tell(source, startedAt, error.code);
          logFailure(ports.log, source, error);
        }
      }
      throw error;
    } finally {
      if (!state.dropped) pending.delete(source.key);
    }
  }

  /** It serves those who wait for it, and nobody who comes later. */
  function dropFlight(key: string, { state }: Flight): void {
    state.dropped = true;
    pending.delete(key);
  }

  return {
    find(key) {
      const grant = grants.get(key);
      if (grant === undefined) counts.misses++;
      else counts.hits++;
      return grant;
    },
    counts,
    async obtain(source) {
      if (quarantine.get(atApi(source))) {
        throw new CallError(
          "upstream_unauthorized",
          `The API ${source.api} refused the gateway's credential, and a fresh one as well.`,
        );
      }
      const failed = failures.get(source.key);
      if (failed !== undefined) throw new TokenFailure(failed);
      // Shared by every waiting call, so no single caller's cancel may end it.
      const running = pending.get(source.key);
      if (running !== undefined) return running.grant;
      const state = { dropped: false };
      const grant = request(source, state);
      pending.set(source.key, { holder: source.holder, state, grant });
      return grant;
    },
    refuse(source, refused) {
      const current = grants.get(source.key);
      if (current !== undefined && current.parts !== refused) return true;
      grants.delete(source.key);
      const before = refusals.get(atApi(source));
      // Calls that ran at the same time with one token bring one refusal, not several.
      if (before === refused) return true;
      if (before !== undefined) {
        quarantine.set(atApi(source), true, now() + quarantineMs);
        return false;
      }
      refusals.set(atApi(source), refused, now() + quarantineMs);
      return true;
    },
    forget(isSuch) {
      grants.deleteAll(({ holder }) => holder !== undefined && isSuch(holder));
      for (const [key, flight] of pending)
        if (flight.holder !== undefined && isSuch(flight.holder)) dropFlight(key, flight);
    },
    drop(key) {
      grants.delete(key);
      const flight = pending.get(key);
      if (flight !== undefined) dropFlight(key, flight);
    },
    circuit(client) {
      const circuit = circuits.get(client) ?? createTokenCircuit(now);
      circuits.set(client, circuit, Infinity);
      return circuit;
    },
    told: createCache<TokenFailure>(maxTokens, now),
  };
}

/** Two APIs may share a token; what one of them thinks of it is its own matter. */
function atApi({ api, key }: Pick<TokenSource, "api" | "key">): string {
  return `${key}@${api}`;
}

/** JSON keeps the borders between fields, so no two lists of fields give one key. */
export function tokenKey(fields: readonly JsonValue[]): string {
  return createHash("sha256").update(JSON.stringify(fields)).digest("base64url");
}

/** Ends one caller's wait; the work goes on. */
export function unlessCancelled<T>(work: Promise<T>, signal: CancelSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const forget = signal.onCancel(() => {
      reject(new CallError("cancelled", "The call was cancelled."));
    });
    work.then(resolve, reject).finally(forget);
  });
}
