import { webcrypto } from "node:crypto";
import { createAdminServer } from "./admin/server.ts";
import { createKeySets } from "./auth/keysets.ts";
import type { AuthError } from "./base/errors.ts";
import { ConfigError } from "./base/errors.ts";
import type { Issue } from "./base/issue.ts";
import type { Ports } from "./base/ports.ts";
import type { Broker } from "./broker/broker.ts";
import type { BrokerClient } from "./broker/client.ts";
import type { Config } from "./config/config.ts";
import { loadConfig } from "./config/load.ts";
import { createHttpServer } from "./http/server.ts";
import { createMcpEndpoint } from "./mcp/endpoint.ts";
import type { ServerInfo } from "./mcp/service.ts";
import { createAudit, type Audit } from "./observe/audit.ts";
import { loadDocument } from "./openapi/load.ts";
import type { ApiDocument } from "./openapi/operation.ts";
import { compileSnapshot, type Lasting, type Loaded, type Snapshot } from "./snapshot.ts";
import type { ClientKey } from "./upstream/client-auth.ts";
import { createIssuerMetadata } from "./upstream/issuer-metadata.ts";
import { createUpstreams } from "./upstream/send.ts";
import { createTokenCache } from "./upstream/token-cache.ts";
import { fingerprint, watchFiles } from "./watch.ts";

export type Env = Readonly<Record<string, string | undefined>>;

export interface GatewayOptions {
  /** Path of gateway.yaml. */
  readonly file: string;
  readonly env: Env;
  readonly info: ServerInfo;
  readonly ports: Ports;
  /** For authorization servers: discovery, keys and tokens. APIs are reached through their own pools. */
  readonly fetch: typeof fetch;
  /** Where the audit sink `stdout` writes. */
  readonly writeAudit: (line: string) => void;
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
  /** Stops accepting, ends listening clients, waits for calls in flight. */
  readonly close: () => Promise<void>;
}

/** Reads gateway.yaml and its documents. @throws ConfigError with the findings of all of them. */
export async function load(file: string, env: Env): Promise<Loaded> {
  const config = await loadConfig(file, env);
  const issues: Issue[] = [];
  const documents = new Map<string, ApiDocument>();
  await Promise.all(
    config.apis.map(async (api) => {
      try {
        documents.set(api.id, await loadDocument({ file: api.spec, position: api.specPosition }));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        issues.push(...error.issues);
      }
    }),
  );
  if (issues.length > 0) throw new ConfigError([...config.warnings, ...issues]);
  return { config, documents };
}

const recordNothing: Audit = { record: () => {}, close: () => {} };

/** For verbs that only look: the same code path as start-up, but nothing is opened or written. */
export async function inspect(options: Omit<GatewayOptions, "writeAudit">): Promise<Snapshot> {
  const loaded = await load(options.file, options.env);
  const keys = await makeClientKeys(loaded.config);
  return compileSnapshot(loaded, makeLasting(options, keys, recordNothing), options.ports);
}

function makeLasting(
  { info, ports, fetch }: Omit<GatewayOptions, "writeAudit">,
  keys: ReadonlyMap<string, MadeKey>,
  audit: Audit,
): Lasting {
  return {
    audit,
    fetch,
    keys: createKeySets([], { fetch }, ports),
    upstreams: createUpstreams(),
    userAgent: `${info.name}/${info.version}`,
    clientKeys: new Map([...keys].map(([name, { key }]) => [name, key])),
    tokens: createTokenCache(ports),
    metadata: createIssuerMetadata(fetch, ports),
  };
}

/** Compiles everything and opens nothing yet. @throws ConfigError */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { file, env, info, ports } = options;
  const loaded = await load(file, env);
  const { config } = loaded;
  const clientKeys = await makeClientKeys(config);
  const audit = createAudit(config.audit, ports, options.writeAudit);
  const lasting = makeLasting(options, clientKeys, audit);
  let snapshot = compileSnapshot(loaded, lasting, ports);
  let applied = await fingerprint(snapshot.files);
  let refused: string | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const listeners = new Set<() => void>();

  const mcp = createMcpEndpoint(() => snapshot.mcp, info, ports);
  listeners.add(() => mcp.toolsChanged());
  const http = createHttpServer(
    {
      listen: config.server.listen,
      maxRequestBytes: config.limits.maxRequestBytes,
      path: config.endpoints[0]?.path ?? "/mcp",
      service: () => snapshot.http,
      post: mcp.post,
      onRefused: (error) => recordRefusal(audit, error),
    },
    ports,
  );
  const broker = await startableBroker(() => snapshot.config, config, clientKeys, ports);
  const admin =
    config.admin && createAdminServer(config.admin.listen, () => ({ keys: missingKeys(lasting) }));
  const watcher = { close: (): void => {} };

  const swap = async (): Promise<ReloadReport> => {
    const before = await fingerprint([...snapshot.files, file]);
    if (before === applied) {
      refused = undefined;
      return { outcome: "unchanged", issues: [], toolsChanged: false };
    }
    try {
      const next = await load(file, env);
      refuseRestart(snapshot.config, next.config);
      const made = compileSnapshot(next, lasting, ports);
      const toolsChanged = made.catalog.digest !== snapshot.catalog.digest;
      snapshot = made;
      applied = await fingerprint([...made.files, file]);
      refused = undefined;
      void lasting.keys.load();
      if (toolsChanged) for (const listener of listeners) listener();
      recordReload(audit, undefined);
      return { outcome: "applied", issues: made.warnings, toolsChanged };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      // One record per broken content, however often it is read.
      if (refused !== before) recordReload(audit, error.issues[0]?.code ?? "invalid");
      const known = refused === before;
      refused = before;
      const issues = known ? [] : error.issues;
      return { outcome: known ? "unchanged" : "refused", issues, toolsChanged: false };
    }
  };

  const reload = (): Promise<ReloadReport> => {
    const report = turn.then(swap);
    turn = report.catch(() => undefined);
    return report;
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
      return http.listen();
    },
    reload,
    watch(onReload) {
      const files = watchFiles(async () => {
        const report = await reload();
        if (report.outcome === "unchanged") return;
        files.follow([...snapshot.files, file]);
        onReload(report);
      });
      files.follow([...snapshot.files, file]);
      watcher.close = () => files.close();
    },
    onToolsChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      watcher.close();
      await mcp.close();
      await http.close();
      await admin?.close();
      await lasting.upstreams.close();
      await broker?.close();
      audit.close();
    },
  };
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
      const key = keys.get(name);
      const own =
        auth.kind !== "private_key_jwt"
          ? auth
          : key && { kind: auth.kind, jwks: [key.publicJwk as BrokerJwk] };
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

type BrokerJwk = Extract<BrokerClient["auth"], { kind: "private_key_jwt" }>["jwks"][number];

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
  const missing = keys.states().filter(({ status }) => status === "unavailable");
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

const nobody = {
  principal: undefined,
  transport: "http",
  tool: undefined,
  operation: undefined,
  api: undefined,
  args: undefined,
  upstreamStatus: undefined,
  durationMs: 0,
} as const;

function recordRefusal(audit: Audit, { reason }: AuthError): void {
  audit.record({ ...nobody, event: "auth.deny", outcome: "denied", reason });
}

function recordReload(audit: Audit, reason: string | undefined): void {
  const outcome = reason === undefined ? "success" : "failure";
  audit.record({ ...nobody, event: "config.reload", outcome, reason });
}
