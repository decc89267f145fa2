import { type KeyStore, noKeyStore } from "../auth/key-store.ts";
import { createKeySets, type KeySets } from "../auth/keysets.ts";
import { createReplays, type Replays } from "../auth/replays.ts";
import { createRevocations, type Revocations } from "../auth/revocation.ts";
import type { Ports } from "../base/ports.ts";
import { createLimits, type Limits } from "../limits/limits.ts";
import { createLocalRates, type LocalRates } from "../limits/rate.ts";
import type { ServerInfo } from "../mcp/service.ts";
import { nobody, type Note } from "../observe/record/event.ts";
import type { Recorder } from "../observe/recorder.ts";
import { createRegistry, type Registry } from "../observe/metrics/registry.ts";
import type { Tracing } from "../observe/traces/tracing.ts";
import {
  createUpstreamMeasures,
  type UpstreamMeasures,
} from "../observe/metrics/upstream-measures.ts";
import type { CredentialDeps } from "../upstream/credential/credential.ts";
import { noLogin, type ReadLogin } from "../upstream/credential/login.ts";
import { createIssuerMetadata } from "../upstream/credential/issuer-metadata.ts";
import { createUpstreams, type Upstreams } from "../upstream/send.ts";
import { createSigningKeys } from "../upstream/credential/signing-keys.ts";
import { createFetchAs } from "../upstream/credential/tls-fetch.ts";
import { createTokenCache, type Obtained } from "../upstream/credential/token-cache.ts";
import { type Kept, keepInMemory } from "./kept.ts";
import type { OpenShared, SharedStore } from "./shared-store.ts";
import type { MadeKey } from "./embedded-broker.ts";

/** What outlives a reload; owned by the gateway. */
export interface Lasting extends Omit<
  CredentialDeps,
  "clients" | "connections" | "offeredScopes" | "issuer"
> {
  readonly kept: Kept;
  readonly keys: KeySets;
  readonly replays: Replays;
  readonly revocations: Revocations;
  readonly upstreams: Upstreams;
  readonly recorder: Recorder;
  readonly tracing: Tracing | undefined;
  readonly limits: Limits;
  /** What other replicas know too; undefined: this one is alone. */
  readonly shared: SharedStore | undefined;
  /** Of this process. */
  readonly rates: LocalRates;
  readonly measures: UpstreamMeasures;
  readonly userAgent: string;
}

/** Where a gateway meets the world beside its own listeners. */
export interface Surroundings {
  readonly info: ServerInfo;
  readonly ports: Ports;
  /** For authorization servers: discovery, keys and tokens. APIs are reached through their own pools. */
  readonly fetch: typeof fetch;
}

interface LastingDeps {
  readonly recorder: Recorder;
  readonly tracing: Tracing | undefined;
  readonly store: KeyStore;
  readonly registry: Registry;
  readonly kept: Kept;
  /** Of tokens for APIs. */
  readonly maxTokens: number;
  /** undefined: this replica is alone. */
  readonly openShared: OpenShared | undefined;
  readonly readLogin: ReadLogin;
}

/** Proofs of two minutes: some 1,600 requests a second, 200 of them of one person. */
const replayRoom = { entries: 200_000, perHolder: 25_000 };

export function createLasting(
  { info, ports, fetch }: Surroundings,
  keys: ReadonlyMap<string, MadeKey>,
  { recorder, tracing, store, registry, kept, maxTokens, openShared, readLogin }: LastingDeps,
): Lasting {
  const rates = createLocalRates(ports.now);
  const replays = createReplays(replayRoom, ports.now);
  const shared = openShared?.({ take: rates, replays });
  if (shared) {
    registry.collect(
      {
        name: "tollgate_shared_store_misses_total",
        help: "Decisions made alone because the store of the replicas did not answer in time.",
        labels: [],
        type: "counter",
      },
      () => [{ labels: [], value: shared.misses() }],
    );
  }
  const limits = createLimits({
    now: ports.now,
    random: Math.random,
    take: shared?.take ?? rates,
    onCircuit: (api, state) => ports.log.warn("breaker_changed", { api, state }),
  });
  return {
    recorder,
    tracing,
    limits,
    rates,
    measures: createUpstreamMeasures(registry, limits.circuits),
    kept,
    fetch,
    keys: createKeySets([], { fetch, store }, ports),
    replays: shared?.replays ?? replays,
    shared,
    revocations: createRevocations(ports),
    upstreams: createUpstreams(),
    userAgent: `${info.name}/${info.version}`,
    clientKeys: new Map([...keys].map(([name, { key }]) => [name, key])),
    tokens: createTokenCache(ports, maxTokens, (obtained) => recorder.note(exchangeOf(obtained))),
    metadata: createIssuerMetadata(fetch, ports),
    fetchAs: createFetchAs(undefined),
    signingKeys: createSigningKeys(ports.now),
    readLogin,
  };
}

function exchangeOf({ api, client, holder, reason, durationMs }: Obtained): Note {
  return {
    ...nobody,
    event: "token.exchange",
    outcome: reason === undefined ? "success" : "failure",
    reason,
    principal: holder,
    detail: { exchange: { api, client, duration_ms: durationMs } },
  };
}

/** For verbs that only look. */
export function createUnrecorded(
  surroundings: Surroundings,
  keys: ReadonlyMap<string, MadeKey>,
): Lasting {
  return createLasting(surroundings, keys, {
    recorder: recordNothing,
    tracing: undefined,
    store: noKeyStore,
    registry: createRegistry(),
    kept: keepInMemory(surroundings.ports),
    maxTokens: 1,
    openShared: undefined,
    readLogin: noLogin,
  });
}

const recordNothing: Recorder = {
  enter: () => {},
  believed: () => {},
  intend: () => ({ id: "", written: true }),
  call: () => true,
  note: () => {},
  problem: () => undefined,
};
