import { setTimeout as sleep } from "node:timers/promises";
import { createKeyStore, noKeyStore } from "./auth/key-store.ts";
import { AuthError } from "./base/errors.ts";
import type { Ports } from "./base/ports.ts";
import type { Principal } from "./base/principal.ts";
import type { Broker } from "./broker/broker.ts";
import type { Config } from "./config/config.ts";
import type { ReplicasConfig } from "./config/types/replicas.ts";
import { type Env, keepCopies, keepNoCopies, readFirst } from "./gateway/candidate.ts";
import { openKept } from "./gateway/kept.ts";
import { makeClientKeys, startableBroker } from "./gateway/embedded-broker.ts";
import { createFront } from "./gateway/front.ts";
import { createLasting, createUnrecorded, type Surroundings } from "./gateway/lasting.ts";
import { createEndGrant } from "./gateway/logout.ts";
import { createOperators } from "./gateway/operators.ts";
import { fetchWithOwnKeys } from "./gateway/own-keys.ts";
import {
  createPlace,
  prepareMoves,
  type Listener,
  type Move,
  type Place,
} from "./gateway/place.ts";
import { createReadLogin } from "./gateway/read-login.ts";
import type { OpenShared } from "./gateway/shared-store.ts";
import { createServing, type ReloadReport, type Serving } from "./gateway/serving.ts";
import { compileSnapshot, endpointAt, type Snapshot } from "./gateway/snapshot.ts";
import { openTraces } from "./gateway/traces.ts";
import { watchFiles } from "./gateway/watch.ts";
import type { Gauge, Pressure } from "./limits/pressure.ts";
import { createShedder } from "./limits/shedder.ts";
import { createIntroductions } from "./mcp/errand.ts";
import { createAudit } from "./observe/audit.ts";
import { nobody } from "./observe/record/event.ts";
import { createRecorder } from "./observe/recorder.ts";
import { createRefusals } from "./observe/refusals.ts";
import { createRegistry } from "./observe/metrics/registry.ts";

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

const lastWordsMs = 1_000;

const noPressure = (): Pressure => ({ loopDelayMs: 0, heap: 0, memory: 0 });

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
  const places: Place<Listener>[] = [];
  const refusals = createRefusals(recorder, ports);
  let serving: Serving;
  try {
    const prepareMove = (wanted: Config): Promise<Move> => prepareMoves(places, wanted);
    serving = await createServing(options, first, { lasting, ports, onToolsChanged, prepareMove });
    broker = await startableBroker(() => serving.snapshot.config, config, {
      keys: clientKeys,
      lasting,
      refuse: refusals.note,
      addressOf: (request) => serving.snapshot.http.addressOf(request),
      onGrantEnded: createEndGrant(config, lasting, ports),
      ports,
    });
  } catch (error) {
    // A configuration that cannot serve leaves no file open, and no start in the log.
    await kept.store.close();
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

  const { delayMs, timeoutMs } = config.server.drain;
  const drainMs = delayMs ?? (options.env["KUBERNETES_SERVICE_HOST"] === undefined ? 0 : 5_000);
  const parts = {
    info,
    snapshot: () => serving.snapshot,
    broker,
    introductions: createIntroductions(ports.now),
    recorder,
    refusals,
    sheds: shedder.sheds,
  };
  const front = createPlace(
    {
      section: "server",
      written: ({ server }) => server,
      create: (of, listen) => createFront(of, listen, parts, ports),
      delayMs: drainMs,
    },
    ports,
  );
  const operators = createOperators(
    {
      version: info.version,
      serving,
      lasting,
      audit,
      registry,
      shedder,
      isStopping: () => closing !== undefined,
      listening: () => front.listeners().reduce((sum, { listening }) => sum + listening(), 0),
      delayMs: drainMs,
    },
    ports,
  );
  places.push(...operators.places, front);
  listeners.add(() => {
    for (const { toolsChanged } of front.listeners()) toolsChanged();
  });
  const watcher = { close: (): void => {} };
  const reload = async (asksHosts: boolean): Promise<ReloadReport> => {
    const report = await serving.reload(asksHosts);
    if (report.outcome !== "applied") return report;
    const { config: changed, generation } = serving.snapshot;
    const { tls } = changed.server;
    if (tls !== undefined) for (const { renew } of front.listeners()) renew(tls);
    audit.renew(changed.audit);
    traces.renew(changed);
    lasting.shared?.announce(generation);
    return report;
  };

  const stop = async (): Promise<void> => {
    watcher.close();
    front.drain();
    await sleep(drainMs);
    await serving.idle();
    const deadline = setTimeout(() => {
      aborted = lasting.upstreams.abort();
    }, timeoutMs);
    // Who is told that the call ended must be able to read it.
    await front.close(timeoutMs + lastWordsMs);
    clearTimeout(deadline);
    await operators.close();
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
      const open = (place: Place<Listener>): Promise<number | undefined> =>
        serving.inTurn(() => place.open(serving.snapshot.config));
      for (const place of operators.places) await open(place);
      for (const { issuer, message } of await lasting.keys.load()) {
        const hint =
          "its tokens are refused until then; `tollgate doctor auth` says what to change";
        ports.log.warn("issuer_keys_unavailable", { issuer, reason: message, hint });
      }
      void serving.snapshot.connections?.rekey();
      const port = await open(front);
      if (port === undefined) throw new TypeError("a configuration without public listener");
      return { port };
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
