import {
  createAdminServer,
  createMetricsServer,
  type HealthParts,
  type OperatorServer,
} from "../admin/server.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Config } from "../config/config.ts";
import type { Shedder } from "../limits/shedder.ts";
import type { Audit } from "../observe/audit.ts";
import type { Registry } from "../observe/metrics/registry.ts";
import { collectState } from "../observe/metrics/state-metrics.ts";
import type { Lasting } from "./lasting.ts";
import { createPlace, type Listener, type Place } from "./place.ts";
import type { Serving } from "./serving.ts";
import type { Snapshot } from "./snapshot.ts";

/** What operators see of the gateway, on listeners apart from the public one. */
export interface Operators {
  readonly places: readonly Place<Listener>[];
  readonly close: () => Promise<void>;
}

interface OperatorParts {
  readonly version: string;
  readonly serving: Serving;
  readonly lasting: Lasting;
  readonly audit: Audit;
  readonly registry: Registry;
  readonly shedder: Shedder;
  readonly isStopping: () => boolean;
  /** Clients that listen for changes at the moment. */
  readonly listening: () => number;
  /** How long a listener that is let go still accepts, at least. */
  readonly delayMs: number;
}

/** Readiness goes only when a burst has become a state. */
const maxSheddingMs = 10_000;

export function createOperators(parts: OperatorParts, ports: Ports): Operators {
  const { version, serving, lasting, audit, registry, shedder, delayMs } = parts;
  const health: HealthParts = {
    checks: () => ({
      keys: missingKeys(lasting),
      audit: audit.problem(),
      shutdown: parts.isStopping() ? "stopping" : undefined,
      load: shedder.sinceMs() > maxSheddingMs ? "turns requests away" : undefined,
    }),
    warnings: () => ({ ...shippingProblems(audit), ...staleDocuments(serving) }),
    metrics: registry.expose,
  };
  let stopMeasuring: (() => void) | undefined;
  const measure = (): void => {
    stopMeasuring ??= collectState(registry, () => ({
      version,
      generation: serving.snapshot.generation,
      lastReloadOk: serving.refused === undefined,
      appliedAt: serving.appliedAt,
      toolsByApi: countTools(serving.snapshot),
      staleDocuments: serving.stale.size,
      issuers: lasting.keys.states(),
      listenStreams: parts.listening(),
      tokenCache: lasting.tokens.counts,
      audit: audit.stats(),
    }));
  };
  const configStatus = (): JsonObject => statusOf(serving);
  const sections = [
    {
      section: "admin",
      written: (config: Config) => config.admin,
      create: (_: Config, listen: Config["server"]["listen"]) =>
        listenerOf(createAdminServer(listen, { ...health, configStatus })),
    },
    {
      section: "metrics",
      written: (config: Config) => config.metrics,
      create: (_: Config, listen: Config["server"]["listen"]) =>
        listenerOf(createMetricsServer(listen, health)),
    },
  ];
  const listenerOf = (server: OperatorServer): Listener => {
    // Nobody reads numbers where there is no such listener.
    measure();
    return { listen: server.listen, drain: () => {}, release: server.close, close: server.close };
  };
  const places = sections.map((section) => createPlace({ ...section, delayMs }, ports));
  return {
    places,
    async close() {
      await Promise.all(places.map((place) => place.close(0)));
      stopMeasuring?.();
    },
  };
}

/** For `/config/status`. */
function statusOf({ snapshot, applied, appliedAt, refused, stale }: Serving): JsonObject {
  return {
    generation: snapshot.generation,
    sha256: applied.hash,
    applied_at: new Date(appliedAt).toISOString(),
    candidate: refused
      ? {
          sha256: refused.mark.hash,
          error: refused.findings,
          at: new Date(refused.at).toISOString(),
        }
      : null,
    stale_documents: [...stale].map(([url, reason]) => ({ url, reason })),
  };
}

function staleDocuments({ stale }: Serving): Readonly<Record<string, string>> {
  const names = [...stale].map(([url, reason]) => `${url} ${reason}`);
  return names.length === 0 ? {} : { documents: `${names.join("; ")}; the last good copy serves` };
}

function shippingProblems(audit: Audit): Readonly<Record<string, string>> {
  return Object.fromEntries(
    audit
      .stats()
      .shipping.flatMap(({ sink, problem }) => (problem ? [[`audit_${sink}`, problem]] : [])),
  );
}

function missingKeys({ keys }: Lasting): string | undefined {
  const missing = keys
    .states()
    .filter(({ startup, status }) => startup === "require" && status === "unavailable");
  return missing.length === 0
    ? undefined
    : `no keys of ${missing.map(({ issuer }) => issuer).join(", ")}`;
}

function countTools({ catalog }: Snapshot): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { api } of catalog.tools.values()) counts.set(api, (counts.get(api) ?? 0) + 1);
  return counts;
}
