import { monitorEventLoopDelay } from "node:perf_hooks";
import type { AuditStats } from "../audit.ts";
import type { Registry } from "./registry.ts";

/** What is true at the moment of a scrape. */
export interface GatewayState {
  readonly version: string;
  readonly generation: string;
  readonly lastReloadOk: boolean;
  /** Milliseconds since the epoch. */
  readonly appliedAt: number;
  readonly toolsByApi: ReadonlyMap<string, number>;
  /** Remote documents whose last good copy serves. */
  readonly staleDocuments: number;
  readonly issuers: readonly IssuerState[];
  /** Clients that wait to be told of changes. */
  readonly listenStreams: number;
  readonly tokenCache: { readonly hits: number; readonly misses: number };
  readonly audit: AuditStats;
}

interface IssuerState {
  readonly issuer: string;
  /** Usable ones. */
  readonly keys: number;
  /** Since they were fetched; infinite before that. */
  readonly ageMs: number;
  readonly fetched: { readonly success: number; readonly failure: number };
}

type Value = readonly (readonly [labels: readonly string[], value: number])[];

/** Gauges of the gateway and of the process. @returns How to stop measuring. */
export function collectState(registry: Registry, state: () => GatewayState): () => void {
  const collect = (type: "gauge" | "counter", help: string, name: string) => ({
    as: (labels: readonly string[], read: (now: GatewayState) => Value) =>
      registry.collect({ name, help, labels, type }, () =>
        read(state()).map(([values, value]) => ({ labels: values, value })),
      ),
  });
  const one = (value: number): Value => [[[], value]];

  collect("gauge", "The version that runs.", "tollgate_build_info").as(
    ["version", "node"],
    ({ version }) => [[[version, process.version], 1]],
  );
  collect("gauge", "The configuration that serves.", "tollgate_config_generation_info").as(
    ["sha256"],
    ({ generation }) => [[[generation], 1]],
  );
  collect(
    "gauge",
    "0 while a changed configuration is refused.",
    "tollgate_config_last_reload_successful",
  ).as([], ({ lastReloadOk }) => one(Number(lastReloadOk)));
  collect(
    "gauge",
    "When the configuration that serves was taken.",
    "tollgate_config_last_reload_success_timestamp_seconds",
  ).as([], ({ appliedAt }) => one(appliedAt / 1_000));
  collect("gauge", "Tools by API.", "tollgate_tools").as(["source"], ({ toolsByApi }) =>
    [...toolsByApi].map(([api, count]) => [[api], count] as const),
  );
  collect(
    "gauge",
    "Remote documents that could not be asked for; the last good copy of each serves.",
    "tollgate_stale_documents",
  ).as([], ({ staleDocuments }) => one(staleDocuments));
  collect("gauge", "Clients that listen for changes.", "tollgate_listen_streams").as(
    [],
    ({ listenStreams }) => one(listenStreams),
  );
  collect("gauge", "Usable signing keys by issuer.", "tollgate_jwks_keys").as(
    ["issuer"],
    ({ issuers }) => issuers.map(({ issuer, keys }) => [[issuer], keys] as const),
  );
  collect("gauge", "Age of the keys by issuer.", "tollgate_jwks_age_seconds").as(
    ["issuer"],
    ({ issuers }) =>
      issuers
        .filter(({ ageMs }) => Number.isFinite(ageMs))
        .map(({ issuer, ageMs }) => [[issuer], ageMs / 1_000] as const),
  );
  collect("counter", "Attempts to fetch keys by issuer.", "tollgate_jwks_refresh_total").as(
    ["issuer", "result"],
    ({ issuers }) =>
      issuers.flatMap(({ issuer, fetched }) => [
        [[issuer, "success"], fetched.success] as const,
        [[issuer, "failure"], fetched.failure] as const,
      ]),
  );
  collect(
    "counter",
    "Calls whose token for the API was kept.",
    "tollgate_token_cache_hits_total",
  ).as([], ({ tokenCache }) => one(tokenCache.hits));
  collect(
    "counter",
    "Calls whose token for the API was asked for.",
    "tollgate_token_cache_misses_total",
  ).as([], ({ tokenCache }) => one(tokenCache.misses));
  collect(
    "counter",
    "Audit records by sink; `late` ones wait until it works again.",
    "tollgate_audit_records_total",
  ).as(["sink", "result"], ({ audit }) => [
    ...audit.sinks.flatMap(({ kind, written, late }) => [
      [[kind, "written"], written] as const,
      [[kind, "late"], late] as const,
    ]),
    ...audit.shipping.map(({ sink, shipped }) => [[sink, "shipped"], shipped] as const),
  ]);
  collect(
    "counter",
    "Batches of audit records that another machine did not take.",
    "tollgate_audit_ship_failures_total",
  ).as(["sink"], ({ audit }) =>
    audit.shipping.map(({ sink, failed }) => [[sink], failed] as const),
  );
  collect(
    "gauge",
    "Bytes of audit records that another machine has not got yet.",
    "tollgate_audit_behind_bytes",
  ).as(["sink"], ({ audit }) =>
    audit.shipping.map(({ sink, behindBytes }) => [[sink], behindBytes] as const),
  );
  collect("gauge", "Audit records that wait.", "tollgate_audit_queue_depth").as([], ({ audit }) =>
    one(audit.waiting),
  );
  collect(
    "gauge",
    "For how long audit records have been waiting.",
    "tollgate_audit_lag_seconds",
  ).as(["sink"], ({ audit }) => [
    ...one(audit.lagMs / 1_000),
    ...audit.shipping.map(({ sink, lagMs }) => [[sink], lagMs / 1_000] as const),
  ]);
  collect("counter", "Audit records that were lost.", "tollgate_audit_dropped_total").as(
    [],
    ({ audit }) => one(audit.dropped),
  );
  return collectProcess(registry);
}

function collectProcess(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  const gauge = (name: string, help: string, read: () => number): void =>
    registry.collect({ name, help, labels: [], type: "gauge" }, () => [
      { labels: [], value: read() },
    ]);
  const seconds = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0;
  gauge("nodejs_eventloop_lag_mean_seconds", "Mean delay of the event loop.", () =>
    seconds(delay.mean),
  );
  gauge("nodejs_eventloop_lag_max_seconds", "Largest delay since the last scrape.", () => {
    const { max } = delay;
    delay.reset();
    return seconds(max);
  });
  gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  gauge("nodejs_heap_size_used_bytes", "Used heap.", () => process.memoryUsage().heapUsed);
  registry.collect(
    { name: "process_cpu_seconds_total", help: "CPU time.", labels: [], type: "counter" },
    () => {
      const { user, system } = process.cpuUsage();
      return [{ labels: [], value: (user + system) / 1e6 }];
    },
  );
  return () => void delay.disable();
}
