import { webcrypto } from "node:crypto";
import { resolve } from "node:path";
import { createAdminServer } from "./admin/server.ts";
import { createKeyStore, noKeyStore, type KeyStore } from "./auth/key-store.ts";
import { createKeySets } from "./auth/keysets.ts";
import { createCache } from "./base/cache.ts";
import { AuthError, ConfigError } from "./base/errors.ts";
import type { Issue } from "./base/issue.ts";
import type { Ports } from "./base/ports.ts";
import type { Principal } from "./base/principal.ts";
import type { Broker } from "./broker/broker.ts";
import type { BrokerClient } from "./broker/client.ts";
import type { ApiConfig, ClientAuthConfig, Config } from "./config/config.ts";
import { loadConfig } from "./config/load.ts";
import { createHttpServer, httpTimes } from "./http/server.ts";
import { createMcpEndpoint } from "./mcp/endpoint.ts";
import type { McpService, ServerInfo } from "./mcp/service.ts";
import { createAudit } from "./observe/audit.ts";
import { createRecorder, type Recorder } from "./observe/recorder.ts";
import { createRefusals } from "./observe/refusals.ts";
import { createRegistry } from "./observe/registry.ts";
import { collectState } from "./observe/state-metrics.ts";
import { type Copies, createCopies } from "./openapi/copies.ts";
import { type DocumentSource, loadDocument } from "./openapi/load.ts";
import type { ApiDocument } from "./openapi/operation.ts";
import {
  compileSnapshot,
  type Endpoint,
  type Lasting,
  type Loaded,
  type Snapshot,
} from "./snapshot.ts";
import type { ClientKey } from "./upstream/client-auth.ts";
import { createIssuerMetadata } from "./upstream/issuer-metadata.ts";
import { createUpstreams } from "./upstream/send.ts";
import { createSigningKeys } from "./upstream/signing-keys.ts";
import { createFetchAs } from "./upstream/tls-fetch.ts";
import { createTokenCache } from "./upstream/token-cache.ts";
import { fingerprint, watchFiles } from "./watch.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface GatewayOptions {
  /** Path of gateway.yaml. */
  readonly file: string;
  readonly env: Env;
  readonly info: ServerInfo;
  readonly ports: Ports;
  /** For authorization servers: discovery, keys and tokens. APIs are reached through their own pools. */
  readonly fetch: typeof fetch;
  /** Where the audit sink `stdout` writes. */
  readonly writeAudit: (bytes: Uint8Array) => Promise<void>;
}

export interface ReloadReport {
  /** `refused`: the last good configuration goes on serving. */
  readonly outcome: "applied" | "unchanged" | "refused";
  readonly issues: readonly Issue[];
  readonly toolsChanged: boolean;
}

export interface Gateway {
  /** Of this moment; a call keeps the one it started with. */
  readonly snapshot: Snapshot;
  /** Opens the listeners: broker, admin, public. */
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
}

/**
 * Reads gateway.yaml and its documents.
 *
 * @param wanted Gets every file that the configuration names, also when one of them is broken.
 * @param copies Gets every remote document.
 * @throws ConfigError with the findings of all of them.
 */
async function load(
  file: string,
  env: Env,
  { wanted, copies }: { readonly wanted: Set<string>; readonly copies: Copies },
): Promise<Draft> {
  wanted.add(resolve(file));
  const config = await loadConfig(file, env);
  for (const name of config.files) wanted.add(name);
  const onFile = (name: string): void => void wanted.add(name);
  const issues: Issue[] = [];
  const documents = new Map<string, ApiDocument>();
  await Promise.all(
    config.apis.map(async (api) => {
      try {
        documents.set(api.id, await loadDocument({ ...documentSource(api), onFile, copies }));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        issues.push(...error.issues);
      }
    }),
  );
  if (issues.length > 0) throw new ConfigError([...config.warnings, ...issues]);
  return { config, documents };
}

type Draft = Omit<Loaded, "fingerprint">;

/** The document of an API as gateway.yaml names it. */
export function documentSource(api: ApiConfig): DocumentSource {
  const { spec: file, specPosition: position, overlays, refs, keepReadOnly } = api;
  return { file, position, overlays, refs, keepReadOnly };
}

/** What files said, so that it can be told whether they still do. */
interface Mark {
  readonly files: readonly string[];
  readonly hash: string;
}

type Reading = { readonly mark: Mark; readonly copies: Copies } & (
  | { readonly loaded: Draft }
  | { readonly error: ConfigError }
);

const maxReadings = 3;

/**
 * Reads a candidate, with a mark taken before: what changes while it is read is then seen as changed
 * at the next look. Only when the candidate names other files than `known` does that need a second
 * reading.
 */
async function readCandidate(
  file: string,
  env: Env,
  { known, earlier }: { readonly known: readonly string[]; readonly earlier: Copies },
): Promise<Reading> {
  let files = known;
  for (let readings = 1; ; readings++) {
    const mark = { files, hash: await fingerprint(files) };
    const wanted = new Set<string>();
    const copies = createCopies(earlier);
    const result = await load(file, env, { wanted, copies }).then(
      (loaded) => ({ loaded }),
      (error: unknown) => {
        if (error instanceof ConfigError) return { error };
        throw error;
      },
    );
    const same = wanted.size === files.length && files.every((name) => wanted.has(name));
    if (same || readings === maxReadings) return { mark, copies, ...result };
    files = [...wanted];
  }
}

/** Watching looks at files every half minute; a host is asked less often. */
const askHostsMs = 300_000;

function warnOfStale({ stale }: Copies, ports: Ports): void {
  for (const [url, reason] of stale) ports.log.warn("document_not_fetched", { url, reason });
}

/** Of everything a snapshot is made from. */
function identify(files: string, copies: Copies): string {
  return copies.copies.size === 0 ? files : `${files} ${copies.digest()}`;
}

const recordNothing: Recorder = {
  enter: () => {},
  believed: () => {},
  intend: () => ({ id: "", written: true }),
  call: () => true,
  note: () => {},
  problem: () => undefined,
};

/** For verbs that only look: the same code path as start-up, but nothing is opened or written. */
export async function inspect(options: Omit<GatewayOptions, "writeAudit">): Promise<Snapshot> {
  const wanted = new Set<string>();
  const copies = createCopies();
  const draft = await load(options.file, options.env, { wanted, copies });
  const loaded = { ...draft, fingerprint: identify(await fingerprint([...wanted]), copies) };
  const keys = await makeClientKeys(loaded.config);
  const deps = { recorder: recordNothing, store: noKeyStore };
  return compileSnapshot(loaded, makeLasting(options, keys, deps), options.ports);
}

/** Proofs of two minutes, at 800 requests a second. */
const maxReplays = 100_000;

function makeLasting(
  { info, ports, fetch }: Omit<GatewayOptions, "writeAudit">,
  keys: ReadonlyMap<string, MadeKey>,
  { recorder, store }: { readonly recorder: Recorder; readonly store: KeyStore },
): Lasting {
  return {
    recorder,
    fetch,
    keys: createKeySets([], { fetch, store }, ports),
    replays: createCache(maxReplays, ports.now),
    upstreams: createUpstreams(),
    userAgent: `${info.name}/${info.version}`,
    clientKeys: new Map([...keys].map(([name, { key }]) => [name, key])),
    tokens: createTokenCache(ports),
    metadata: createIssuerMetadata(fetch, ports),
    fetchAs: createFetchAs(undefined),
    signingKeys: createSigningKeys(ports.now),
  };
}

/** Compiles everything and opens nothing yet. @throws ConfigError */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { file, env, info, ports } = options;
  const wanted = new Set<string>();
  let copies = createCopies();
  const loaded = await load(file, env, { wanted, copies });
  const { config } = loaded;
  const clientKeys = await makeClientKeys(config);
  let applied: Mark = { files: [...wanted], hash: await fingerprint([...wanted]) };
  const audit = createAudit(config.audit, ports, {
    version: info.version,
    stdout: options.writeAudit,
  });
  const { auth } = config;
  const store = auth.mode === "none" ? noKeyStore : createKeyStore(auth.keysDir, ports);
  const registry = createRegistry();
  const recorder = createRecorder(audit, registry);
  const lasting = makeLasting(options, clientKeys, { recorder, store });
  let snapshot: Snapshot;
  try {
    snapshot = compileSnapshot(
      { ...loaded, fingerprint: identify(applied.hash, copies) },
      lasting,
      ports,
    );
  } catch (error) {
    // A configuration that cannot serve leaves no file open.
    await audit.close();
    throw error;
  }
  let appliedAt = ports.now();
  audit.start({ config: { generation: snapshot.generation } });
  /** What was wrong with the candidate that was refused last, and which files it named. */
  let refused: { readonly findings: string; readonly mark: Mark; readonly at: number } | undefined;
  /** When the hosts of remote documents were last asked, ms since epoch. */
  let askedAt = ports.now();
  let closing: Promise<void> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const listeners = new Set<() => void>();

  const { maxListenStreams } = config.limits;
  const mcp = new Map(
    config.endpoints.map(({ path }) => {
      const service = (): McpService => endpointAt(snapshot, path).mcp;
      return [path, createMcpEndpoint(service, { info, maxListenStreams }, ports)];
    }),
  );
  for (const endpoint of mcp.values()) listeners.add(() => endpoint.toolsChanged());
  const refusals = createRefusals(recorder, ports);
  const http = createHttpServer(
    {
      listen: config.server.listen,
      maxRequestBytes: config.limits.maxRequestBytes,
      service: () => snapshot.http,
      endpoints: new Map([...mcp].map(([path, { post }]) => [path, post])),
      onRefused: ({ event, reason, principal, client }) => {
        const outcome = reason === "internal_error" ? "failure" : "denied";
        refusals.note({ ...nobody, event, outcome, reason, principal, client });
      },
      onBelieved: recorder.believed,
      times: httpTimes,
    },
    ports,
  );
  const broker = await startableBroker(() => snapshot.config, config, clientKeys, ports);
  const admin =
    config.admin &&
    createAdminServer(config.admin.listen, {
      checks: () => ({
        keys: missingKeys(lasting),
        audit: audit.problem(),
        shutdown: closing && "stopping",
      }),
      metrics: registry.expose,
      configStatus: () => ({
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
      }),
    });
  const stopMeasuring =
    admin &&
    collectState(registry, () => ({
      version: info.version,
      generation: snapshot.generation,
      lastReloadOk: refused === undefined,
      appliedAt,
      toolsByApi: countTools(snapshot),
      keysByIssuer: new Map(lasting.keys.states().map(({ issuer, keys }) => [issuer, keys])),
      audit: audit.stats(),
    }));
  const watcher = { close: (): void => {} };

  const isSame = async (asksHosts: boolean): Promise<boolean> => {
    if ((await fingerprint(applied.files)) !== applied.hash) return false;
    if (!asksHosts) return true;
    askedAt = ports.now();
    const changed = await copies.haveChanged();
    warnOfStale(copies, ports);
    return !changed;
  };

  const swap = async (asksHosts: boolean): Promise<ReloadReport> => {
    if (await isSame(asksHosts)) {
      // What a host said is still refused until the host is asked again.
      if (asksHosts || refused?.mark.hash !== applied.hash) refused = undefined;
      return unchanged;
    }
    const reading = await readCandidate(file, env, { known: applied.files, earlier: copies });
    warnOfStale(reading.copies, ports);
    try {
      if ("error" in reading) throw reading.error;
      refuseRestart(snapshot.config, reading.loaded.config);
      const candidate = {
        ...reading.loaded,
        fingerprint: identify(reading.mark.hash, reading.copies),
      };
      const made = compileSnapshot(candidate, lasting, ports);
      const toolsChanged = digestOf(made) !== digestOf(snapshot);
      snapshot = made;
      applied = reading.mark;
      copies = reading.copies;
      appliedAt = ports.now();
      refused = undefined;
      void lasting.keys.load();
      if (toolsChanged) for (const listener of listeners) listener();
      recordReload(recorder, undefined, snapshot.generation);
      return { outcome: "applied", issues: made.warnings, toolsChanged };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const { mark } = reading;
      const findings = error.message;
      // One record and one report per broken content, however often it is read.
      const same = refused?.mark.hash === mark.hash && refused.findings === findings;
      if (same) return unchanged;
      refused = { findings, mark, at: ports.now() };
      recordReload(recorder, error.issues[0]?.code ?? "invalid", snapshot.generation);
      return { outcome: "refused", issues: error.issues, toolsChanged: false };
    }
  };

  const reload = (asksHosts = true): Promise<ReloadReport> => {
    const report = turn.then(() => swap(asksHosts));
    turn = report.catch(() => undefined);
    return report;
  };

  const stop = async (): Promise<void> => {
    watcher.close();
    await turn;
    await Promise.all([...mcp.values()].map((endpoint) => endpoint.close()));
    await http.close();
    await admin?.close();
    stopMeasuring?.();
    await lasting.upstreams.close();
    await broker?.close();
    refusals.close();
    await audit.close();
  };

  return {
    get snapshot() {
      return snapshot;
    },
    async listen() {
      await broker?.listen();
      await admin?.listen();
      for (const { issuer, message } of await lasting.keys.load()) {
        ports.log.warn("issuer_keys_unavailable", { issuer, reason: message });
      }
      const listening = await http.listen();
      for (const endpoint of mcp.values()) void endpoint.warm();
      return listening;
    },
    reload: () => reload(),
    watch(onReload) {
      const follow = (): void => {
        files.follow([...new Set([...applied.files, ...(refused?.mark.files ?? [])])]);
      };
      const files = watchFiles(async () => {
        try {
          const report = await reload(ports.now() - askedAt >= askHostsMs);
          if (report.outcome !== "unchanged") onReload(report);
        } catch (cause) {
          ports.log.error("reload_failed", {}, cause);
        }
        // Even after no change: a directory that was replaced needs a new watch.
        follow();
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
        if (token === undefined && snapshot.config.auth.mode === "oauth") {
          throw new AuthError("missing_token", "no_token");
        }
        return await endpointAt(snapshot, path).authenticate.authenticateToken(token ?? "");
      } catch (error) {
        if (error instanceof AuthError) {
          const { reason } = error;
          recorder.note({ ...nobody, transport, event: "auth.deny", outcome: "denied", reason });
        }
        throw error;
      }
    },
    auditProblem: () => audit.problem(),
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

/** Its paths never change between reloads. */
function endpointAt({ endpoints }: Snapshot, path: string): Endpoint {
  const found = endpoints.find((endpoint) => endpoint.path === path);
  if (found === undefined) throw new TypeError(`no endpoint ${path}`);
  return found;
}

/** Of everything that clients of any endpoint see. */
function digestOf({ endpoints, config }: Snapshot): string {
  const conditions = [config.when, ...config.apis.map(({ when }) => when)];
  return JSON.stringify([
    ...endpoints.map(({ path, catalog }) => [path, catalog.digest]),
    ...conditions.map((when) => when?.expression),
  ]);
}

interface MadeKey {
  readonly key: ClientKey;
  readonly publicJwk: webcrypto.JsonWebKey & { readonly kid: string };
}

/** A client of our own broker needs no secret in a file: it gets a key pair that lives in memory. */
async function makeClientKeys(config: Config): Promise<ReadonlyMap<string, MadeKey>> {
  const made = new Map<string, MadeKey>();
  for (const { name, auth } of config.clients.values()) {
    if (auth.kind !== "private_key_jwt" || auth.key !== undefined) continue;
    const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
      "sign",
      "verify",
    ]);
    const kid = `${name}-1`;
    const publicJwk = await webcrypto.subtle.exportKey("jwk", pair.publicKey);
    made.set(name, { key: { key: pair.privateKey, kid }, publicJwk: { ...publicJwk, kid } });
  }
  return made;
}

/** The broker for development, told by the configuration what it may issue tokens for. */
async function startableBroker(
  current: () => Config,
  config: Config,
  keys: ReadonlyMap<string, MadeKey>,
  ports: Ports,
): Promise<Broker | undefined> {
  const { broker } = config;
  if (broker === undefined) return undefined;
  const clients = [...config.clients.values()]
    .filter((client) => client.issuer === broker.issuer)
    .flatMap(({ name, id, auth }): BrokerClient[] => {
      const own = brokerAuthOf(auth, keys.get(name));
      if (own === undefined) return [];
      return [
        {
          id,
          auth: own,
          get audiences() {
            return targetsOf(current(), name).flatMap(({ audience, resource }) => [
              ...audience,
              ...resource,
            ]);
          },
          get scopes() {
            return targetsOf(current(), name).flatMap(({ scope }) => scope);
          },
        },
      ];
    });
  // A third of a second to load, and most gateways have none.
  const { createBroker } = await import("./broker/broker.ts");
  return createBroker(broker, { resources: () => resourcesOf(current()), clients }, ports);
}

/** undefined: a way that the broker does not know. */
function brokerAuthOf(
  auth: ClientAuthConfig,
  key: MadeKey | undefined,
): BrokerClient["auth"] | undefined {
  switch (auth.kind) {
    case "client_secret_basic":
    case "client_secret_post":
      return auth;
    case "private_key_jwt":
      return key && { kind: auth.kind, jwks: [key.publicJwk] };
    case "tls_client_auth":
    case "workload":
    case "none":
      return undefined;
  }
}

interface Target {
  readonly audience: readonly string[];
  readonly resource: readonly string[];
  readonly scope: readonly string[];
}

function targetsOf(config: Config, client: string): Target[] {
  return config.apis.flatMap(({ credential }) =>
    (credential.kind === "exchange" || credential.kind === "clientCredentials") &&
    credential.client === client
      ? [credential]
      : [],
  );
}

function resourcesOf(config: Config): { resource: string; scopes: readonly string[] }[] {
  const baseline = config.auth.mode === "oauth" ? config.auth.scopes : [];
  return config.endpoints.map((endpoint) => {
    const rules = config.apis
      .filter(({ id }) => endpoint.apis.includes(id))
      .flatMap((api) => api.rules);
    const scopes = new Set([...baseline, ...rules.flatMap((rule) => rule.scopes)]);
    return { resource: endpoint.resource, scopes: [...scopes] };
  });
}

function missingKeys({ keys }: Lasting): string | undefined {
  const missing = keys
    .states()
    .filter(({ startup, status }) => startup === "require" && status === "unavailable");
  return missing.length === 0
    ? undefined
    : `no keys of ${missing.map(({ issuer }) => issuer).join(", ")}`;
}

/** What was opened at start stays as it is until a restart: saying so beats half a change. */
function refuseRestart(before: Config, after: Config): void {
  const fixed = {
    "server.listen": (config: Config) => config.server.listen,
    admin: (config: Config) => config.admin,
    broker: (config: Config) => config.broker,
    audit: (config: Config) => config.audit,
    "limits.requestSize": (config: Config) => config.limits.maxRequestBytes,
    "limits.listenStreams": (config: Config) => config.limits.maxListenStreams,
    "auth.keysDir": ({ auth }: Config) => (auth.mode === "oauth" ? auth.keysDir : undefined),
    "the paths of endpoints": (config: Config) => config.endpoints.map(({ path }) => path),
  };
  const changed = Object.entries(fixed).filter(
    ([, part]) => JSON.stringify(part(before)) !== JSON.stringify(part(after)),
  );
  if (changed.length === 0) return;
  throw new ConfigError(
    changed.map(([key]) => ({
      severity: "error",
      code: "restart_required",
      message: `${key} changed and takes effect only at start`,
      position: { file: after.file, line: 1, column: 1 },
      help: "restart the gateway, or undo this change",
    })),
  );
}

const unchanged: ReloadReport = { outcome: "unchanged", issues: [], toolsChanged: false };

const nobody = {
  principal: undefined,
  transport: "http",
  client: undefined,
  requestId: undefined,
  detail: undefined,
} as const;

/** @param generation The one that serves now. */
function recordReload(recorder: Recorder, reason: string | undefined, generation: string): void {
  const outcome = reason === undefined ? "success" : "failure";
  const detail = { config: { generation } };
  recorder.note({
    ...nobody,
    transport: undefined,
    event: "config.reload",
    outcome,
    reason,
    detail,
  });
}

function countTools({ catalog }: Snapshot): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { api } of catalog.tools.values()) counts.set(api, (counts.get(api) ?? 0) + 1);
  return counts;
}
