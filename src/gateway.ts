import { setTimeout as sleep } from "node:timers/promises";
import { createAdminServer, createMetricsServer, type HealthParts } from "./admin/server.ts";
import { createKeyStore, noKeyStore } from "./auth/key-store.ts";
import { AuthError } from "./base/errors.ts";
import type { JsonObject } from "./base/json.ts";
import type { Ports } from "./base/ports.ts";
import type { Principal } from "./base/principal.ts";
import type { Broker } from "./broker/broker.ts";
import type { ReplicasConfig } from "./config/config.ts";
import { type Env, keepCopies, keepNoCopies, readFirst } from "./gateway/candidate.ts";
import { openKept } from "./gateway/kept.ts";
import { makeClientKeys, startableBroker } from "./gateway/embedded-broker.ts";
import {
  createLasting,
  createUnrecorded,
  type Lasting,
  type Surroundings,
} from "./gateway/lasting.ts";
import { createEndGrant } from "./gateway/logout.ts";
import { fetchWithOwnKeys } from "./gateway/own-keys.ts";
import { createReadLogin } from "./gateway/read-login.ts";
import type { OpenShared } from "./gateway/shared-store.ts";
import { createServing, type ReloadReport, type Serving } from "./gateway/serving.ts";
import { compileSnapshot, type Endpoint, type Snapshot } from "./gateway/snapshot.ts";
import { openTraces } from "./gateway/traces.ts";
import { watchFiles } from "./gateway/watch.ts";
import type { ConnectEvent } from "./http/connect.ts";
import { createHttpServer, httpTimes } from "./http/server.ts";
import type { Gauge, Pressure } from "./limits/pressure.ts";
import { createShedder } from "./limits/shedder.ts";
import { createMcpEndpoint } from "./mcp/endpoint.ts";
import type { McpService } from "./mcp/service.ts";
import { createAudit, type Audit } from "./observe/audit.ts";
import { nobody, type Note } from "./observe/record/event.ts";
import { createRecorder } from "./observe/recorder.ts";
import { createRefusals } from "./observe/refusals.ts";
import { createRegistry } from "./observe/metrics/registry.ts";
import { collectState } from "./observe/metrics/state-metrics.ts";

export { documentSource } from "./gateway/candidate.ts";
export type { ReloadReport } from "./gateway/serving.ts";

export interface GatewayOptions extends Surroundings {
  /** Path of gateway.yaml. */
  readonly file: string;
  readonly env: Env;
  /** Where the audit sink `stdout` writes. */
  readonly writeAudit: (bytes: Uint8Array) => Promise<void>;
  /** How hard the process has it; undefined where it does more than serve. */
  readonly pressure: (() => Gauge) | undefined;
}

export interface Gateway {
  /** Of this moment; a call keeps the one it started with. */
  readonly snapshot: Snapshot;
  /** Opens the listeners: broker, admin, metrics, public. */
  readonly listen: () => Promise<{ readonly port: number }>;
  /** Builds a whole new snapshot and swaps it in, or changes nothing. Calls are taken in turn. */
  readonly reload: () => Promise<ReloadReport>;
  /** Reloads when gateway.yaml or a document changes. */
  readonly watch: (onReload: (report: ReloadReport) => void) => void;
  /** @returns How to stop being told that the tools changed. */
  readonly onToolsChanged: (listener: () => void) => () => void;
  /**
   * Believes a caller whose token came by another way than HTTP, or refuses and records that.
   *
   * @param path Of the endpoint that the token must be for.
   * @throws AuthError
   */
  readonly believe: (
    token: string | undefined,
    transport: "stdio" | "cli",
    path: string,
  ) => Promise<Principal>;
  /** Why records cannot be written at the moment. */
  readonly auditProblem: () => string | undefined;
  /** Stops accepting, ends listening clients, waits for calls in flight; once, however often asked. */
  readonly close: () => Promise<void>;
  /** Calls that `close` ended because they took too long. */
  readonly aborted: number;
  /** Says in the audit log that the process ends now, whatever is under way. */
  readonly interrupted: (reason: StopReason) => void;
}

type StopReason = "grace_exceeded" | "interrupted";

/**
 * For verbs that only look: the same code path as start-up, but nothing is opened or written.
 *
 * @param trust `unlocked`: also what nobody has agreed to yet.
 */
export async function inspect(
  options: Omit<GatewayOptions, "writeAudit" | "pressure">,
  trust?: "unlocked",
): Promise<Snapshot> {
  const read = (await readFirst(options, keepNoCopies)).loaded;
  const loaded = trust === undefined ? read : { ...read, checkLock: undefined };
  const lasting = createUnrecorded(options, await makeClientKeys(loaded.config));
  return compileSnapshot(loaded, lasting, options.ports);
}

/** Readiness goes only when a burst has become a state. */
const maxSheddingMs = 10_000;
const lastWordsMs = 1_000;

const noPressure = (): Pressure => ({ loopDelayMs: 0, heap: 0, memory: 0 });

/** Of refused requests, where it is not simply that. */
const outcomes: Readonly<Record<string, "failure" | "shed">> = {
  internal_error: "failure",
  overloaded: "shed",
  too_many_connections: "shed",
};

/** Watching looks at files every half minute; a host is asked less often. */
const askHostsMs = 300_000;

/** Compiles everything and opens nothing yet. @throws ConfigError */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { info, ports } = options;
  const first = await readFirst(options, keepCopies(ports));
  const { config } = first.loaded;
  const { auth } = config;
  const clientKeys = await makeClientKeys(config);
  const kept = await openKept(config, ports);
  const traces = await openTraces(config, options.env, { version: info.version, ports });
  const audit = createAudit(config.audit, ports, {
    version: info.version,
    stdout: options.writeAudit,
    fetch: options.fetch,
  });
  const registry = createRegistry();
  const recorder = createRecorder(audit, registry);
  const store = auth.mode === "none" ? noKeyStore : createKeyStore(auth.keysDir, ports);
  let broker: Broker | undefined;
  const ownKeys = config.broker && `${config.broker.issuer}/jwks.json`;
  const fetch = fetchWithOwnKeys(options.fetch, ownKeys, () => broker?.jwks());
  const lasting = createLasting({ ...options, fetch }, clientKeys, {
    recorder,
    tracing: traces.tracing,
    store,
    registry,
    kept,
    maxTokens: config.limits.maxTokens,
    openShared: config.replicas && (await loadShared(config.replicas, ports)),
    readLogin: createReadLogin(config, () => broker),
  });
  const listeners = new Set<() => void>();
  const onToolsChanged = (): void => {
    for (const listener of listeners) listener();
  };
  let serving: Serving;
  try {
    serving = createServing(options, first, { lasting, ports, onToolsChanged });
  } catch (error) {
    // A configuration that cannot serve leaves no file open.
    await audit.close();
    await traces.close();
    throw error;
  }
  audit.start({ config: { generation: serving.snapshot.generation } });
  let closing: Promise<void> | undefined;
  let aborted = 0;
  const gauge = options.pressure?.();
  const shedder = createShedder({
    rules: () => serving.snapshot.config.limits.shedding,
    now: ports.now,
    measure: gauge?.measure ?? noPressure,
    isFull: lasting.limits.isFull,
    underWay: lasting.limits.underWay,
  });

  const { maxListenStreams } = config.limits;
  const mcp = new Map(
    config.endpoints.map(({ path }) => {
      const service = (): McpService => endpointAt(serving.snapshot, path).mcp;
      return [path, createMcpEndpoint(service, { info, maxListenStreams }, ports)];
    }),
  );
  for (const endpoint of mcp.values()) listeners.add(() => endpoint.toolsChanged());
  const refusals = createRefusals(recorder, ports);
  broker = await startableBroker(() => serving.snapshot.config, config, {
    keys: clientKeys,
    lasting,
    refuse: refusals.note,
    addressOf: (request) => serving.snapshot.http.addressOf(request),
    onGrantEnded: createEndGrant(config, lasting, ports),
    ports,
  });
  const http = createHttpServer(
    {
      listen: config.server.listen,
      tls: config.server.tls,
      maxRequestBytes: config.limits.maxRequestBytes,
      service: () => serving.snapshot.http,
      endpoints: new Map([...mcp].map(([path, { post }]) => [path, post])),
      onRefused: ({ event, reason, principal, client }) => {
        const outcome = outcomes[reason] ?? "denied";
        const detail = event === "rate.deny" ? { limit: "address" } : undefined;
        const note = { ...nobody, event, outcome, reason, principal, client, detail } as const;
        refusals.note({ ...note, transport: "http" });
      },
      guest:
        broker !== undefined && config.broker?.listen === undefined
          ? { owns: broker.owns, handle: broker.handler }
          : undefined,
      onBelieved: recorder.believed,
      secure: config.server.url.startsWith("https:"),
      onConnect: (event) => recorder.note(noteOfConnection(event)),
      times: httpTimes,
      maxConnections: config.limits.maxConnections,
      sheds: shedder.sheds,
    },
    ports,
  );
  const health: HealthParts = {
    checks: () => ({
      keys: missingKeys(lasting),
      audit: audit.problem(),
      shutdown: closing && "stopping",
      load: shedder.sinceMs() > maxSheddingMs ? "turns requests away" : undefined,
    }),
    warnings: () => ({ ...shippingProblems(audit), ...staleDocuments(serving) }),
    metrics: registry.expose,
  };
  const operators = [
    config.admin &&
      createAdminServer(config.admin.listen, { ...health, configStatus: () => statusOf(serving) }),
    config.metrics && createMetricsServer(config.metrics.listen, health),
  ].filter((server) => server !== undefined);
  const stopMeasuring =
    operators.length === 0
      ? undefined
      : collectState(registry, () => ({
          version: info.version,
          generation: serving.snapshot.generation,
          lastReloadOk: serving.refused === undefined,
          appliedAt: serving.appliedAt,
          toolsByApi: countTools(serving.snapshot),
          staleDocuments: serving.stale.size,
          issuers: lasting.keys.states(),
          listenStreams: [...mcp.values()].reduce((sum, { listening }) => sum + listening(), 0),
          tokenCache: lasting.tokens.counts,
          audit: audit.stats(),
        }));
  const watcher = { close: (): void => {} };
  const reload = async (asksHosts: boolean): Promise<ReloadReport> => {
    const report = await serving.reload(asksHosts);
    if (report.outcome !== "applied") return report;
    const { config: changed, generation } = serving.snapshot;
    const { tls } = changed.server;
    if (tls !== undefined) http.renew(tls);
    audit.renew(changed.audit);
    traces.renew(changed);
    lasting.shared?.announce(generation);
    return report;
  };

  const stop = async (): Promise<void> => {
    const { delayMs, timeoutMs } = config.server.drain;
    watcher.close();
    http.drain();
    await sleep(delayMs ?? (options.env["KUBERNETES_SERVICE_HOST"] === undefined ? 0 : 5_000));
    await serving.idle();
    await Promise.all([...mcp.values()].map((endpoint) => endpoint.close()));
    const deadline = setTimeout(() => {
      aborted = lasting.upstreams.abort();
    }, timeoutMs);
    // Who is told that the call ended must be able to read it.
    await http.close(timeoutMs + lastWordsMs);
    clearTimeout(deadline);
    await Promise.all(operators.map((server) => server.close()));
    stopMeasuring?.();
    await lasting.upstreams.close();
    lasting.shared?.close();
    await broker?.close();
    await kept.store.close();
    refusals.close();
    shedder.close();
    gauge?.close();
    await audit.close();
    await traces.close();
  };

  return {
    get snapshot() {
      return serving.snapshot;
    },
    async listen() {
      lasting.shared?.open();
      await broker?.listen();
      for (const server of operators) await server.listen();
      for (const { issuer, message } of await lasting.keys.load()) {
        const hint =
          "its tokens are refused until then; `tollgate doctor auth` says what to change";
        ports.log.warn("issuer_keys_unavailable", { issuer, reason: message, hint });
      }
      void serving.snapshot.connections?.rekey();
      const listening = await http.listen();
      for (const endpoint of mcp.values()) void endpoint.warm();
      return listening;
    },
    reload() {
      // Who rotates logs sends the same signal.
      audit.reopen();
      return reload(true);
    },
    watch(onReload) {
      const follow = (): void => {
        files.follow([
          ...new Set([...serving.applied.files, ...(serving.refused?.mark.files ?? [])]),
        ]);
      };
      const look = async (asksHosts: boolean): Promise<void> => {
        try {
          const report = await reload(asksHosts);
          if (report.outcome !== "unchanged") onReload(report);
        } catch (cause) {
          ports.log.error("reload_failed", {}, cause);
        }
        // Even after no change: a directory that was replaced needs a new watch.
        follow();
      };
      const files = watchFiles(() => look(ports.now() - serving.askedAt >= askHostsMs));
      // Another replica has seen a change: its files and hosts are ours.
      lasting.shared?.onAnnounced((generation) => {
        if (generation !== serving.snapshot.generation) void look(true);
      });
      follow();
      watcher.close = () => files.close();
    },
    onToolsChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async believe(token, transport, path) {
      try {
        if (token === undefined && serving.snapshot.config.auth.mode === "oauth") {
          throw new AuthError("missing_token", "no_token");
        }
        return await endpointAt(serving.snapshot, path).authenticate.authenticateToken(token ?? "");
      } catch (error) {
        if (error instanceof AuthError) {
          const { reason } = error;
          recorder.note({ ...nobody, transport, event: "auth.deny", outcome: "denied", reason });
        }
        throw error;
      }
    },
    auditProblem: () => audit.problem(),
    get aborted() {
      return aborted;
    },
    interrupted(reason) {
      audit.note({ ...nobody, event: "server.stop", outcome: "failure", reason });
    },
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

/** Most gateways are alone, and a client of Redis takes time to load. */
async function loadShared(config: ReplicasConfig, { log }: Ports): Promise<OpenShared> {
  const { createSharedStore } = await import("./gateway/shared-store.ts");
  return (own) => createSharedStore(config, own, log);
}

/** Its paths never change between reloads. */
function endpointAt({ endpoints }: Snapshot, path: string): Endpoint {
  const found = endpoints.find((endpoint) => endpoint.path === path);
  if (found === undefined) throw new TypeError(`no endpoint ${path}`);
  return found;
}

/** Who connected or disconnected what, or could not. */
function noteOfConnection({ action, provider, reason, owner }: ConnectEvent): Note {
  const subject = owner === undefined ? {} : { sub: owner.sub, iss: owner.iss };
  return {
    ...nobody,
    transport: "http",
    event: "connection.action",
    outcome: reason === undefined ? "success" : "denied",
    reason,
    detail: { connection: { action, provider, ...subject } },
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
