import { hash } from "node:crypto";
import { createAnonymous } from "./auth/anonymous.ts";
import {
  createAuthenticate,
  type Authenticate,
  type AuthenticateDeps,
} from "./auth/authenticate.ts";
import { compileChallenge, type Refusal } from "./auth/challenge.ts";
import type { KeySets } from "./auth/keysets.ts";
import { compileAdvertised, compileMetadata, type ResourceMetadata } from "./auth/metadata.ts";
import type { Replays } from "./auth/proof.ts";
import { ConfigError, type AuthError } from "./base/errors.ts";
import type { Issue } from "./base/issue.ts";
import type { JsonObject } from "./base/json.ts";
import type { Ports } from "./base/ports.ts";
import { compileRoad, type Road, type RoadParts, type Route } from "./call/road.ts";
import type { ApiConfig, Config, EndpointConfig } from "./config/config.ts";
import { compileEdge } from "./http/edge.ts";
import type { HttpService } from "./http/server.ts";
import { createConcurrencyLimit, type Enter } from "./limits/concurrency.ts";
import type { McpService } from "./mcp/service.ts";
import type { Note, Origin } from "./observe/event.ts";
import type { Recorder } from "./observe/recorder.ts";
import { describeTool, isUnsafe } from "./observe/text.ts";
import type { ApiDocument, Ignored, Servers } from "./openapi/operation.ts";
import { compilePermit, type Permit } from "./policy/permit.ts";
import { compileCatalog, createCatalog, type Catalog } from "./tools/catalog.ts";
import type { Tool } from "./tools/tool.ts";
import type { BaseUrl } from "./upstream/base-url.ts";
import { createCredential, type CredentialDeps } from "./upstream/credential.ts";
import { compileSigningKeys, type SigningKeys } from "./upstream/signing-keys.ts";
import { createIntrospect } from "./upstream/introspect.ts";
import { checkServers, compileLocate } from "./upstream/locate.ts";
import { compileReply, replyLimitsOf } from "./upstream/map-reply.ts";
import { compilePages } from "./upstream/pages.ts";
import { replyShapeOf } from "./upstream/reply-shape.ts";
import { compileReshape } from "./upstream/reshape.ts";
import { followRedirects } from "./upstream/redirect.ts";
import { compileRequest } from "./upstream/request.ts";
import type { Send, SendLimits, Upstreams } from "./upstream/send.ts";

/** A configuration and its documents, compiled into everything that serves. Immutable. */
export interface Snapshot {
  readonly config: Config;
  /** Of all endpoints together. */
  readonly catalog: Catalog;
  readonly permit: Permit;
  /** In the order of gateway.yaml; at least one. */
  readonly endpoints: readonly Endpoint[];
  readonly http: HttpService;
  /** Every file it was made from. */
  readonly files: readonly string[];
  /** What became of each document. */
  readonly documents: readonly DocumentReport[];
  /** Findings that did not keep it from being made. */
  readonly warnings: readonly Issue[];
  /** Tells configurations apart: two gateways with the same files have the same. */
  readonly generation: string;
}

export interface DocumentReport {
  readonly api: string;
  /** Path or URL. */
  readonly source: string;
  /** Of OpenAPI, as written. */
  readonly version: string;
  readonly converted: number;
  /** Operations left out; those that a rule exposes have a finding. */
  readonly skipped: number;
  /** Why the others were: of no consequence until a rule exposes them. */
  readonly unwanted: readonly Issue[];
  readonly ignored: Ignored;
  readonly tools: number;
}

/** What serves one path: its own resource, audience and tools. */
export interface Endpoint {
  readonly path: string;
  readonly resource: string;
  readonly catalog: Catalog;
  readonly authenticate: Authenticate;
  readonly refuse: (error: AuthError) => Refusal;
  readonly road: Road;
  readonly mcp: McpService;
}

/** What outlives a reload; owned by the gateway. */
export interface Lasting extends Omit<CredentialDeps, "clients" | "offeredScopes" | "issuer"> {
  readonly keys: KeySets;
  readonly replays: Replays;
  readonly upstreams: Upstreams;
  readonly recorder: Recorder;
  readonly userAgent: string;
}

export interface Loaded {
  /** A hash of every file. */
  readonly fingerprint: string;
  readonly config: Config;
  readonly documents: ReadonlyMap<string, ApiDocument>;
}

/** Pure but for the parts in `lasting`. @throws ConfigError with every finding. */
export function compileSnapshot(loaded: Loaded, lasting: Lasting, ports: Ports): Snapshot {
  const { config, documents } = loaded;
  const issues: Issue[] = [...config.warnings];
  for (const document of documents.values()) issues.push(...document.warnings);
  const apis = config.apis.flatMap((api) => {
    const document = documents.get(api.id);
    return document === undefined ? [] : [{ config: api, document }];
  });
  const compiled = compileCatalog(apis);
  const { catalog } = compiled;
  issues.push(...compiled.issues);
  const { permit, issues: conditionIssues } = compilePermit(
    catalog.tools.values(),
    policyOf(config),
  );
  issues.push(...conditionIssues);
  const generation = hash("sha256", `${loaded.fingerprint} ${catalog.digest}`, "hex").slice(0, 12);
  const signingKeys =
    collect(issues, () => compileSigningKeys(config.signingKeys)) ?? lasting.signingKeys;
  const draft = { ...loaded, catalog, issues, generation, signingKeys };
  const routes = compileRoutes(draft, lasting, ports);
  if (issues.some(({ severity }) => severity === "error")) throw new ConfigError(issues);
  if (config.auth.mode === "oauth")
    lasting.keys.replace(config.auth.issuers.filter(({ tokens }) => tokens !== "introspect"));
  const introspect = compileIntrospect(config, lasting, ports);
  const metadata = compileAllMetadata(config);
  const endpoints = config.endpoints.map((endpoint): Endpoint => {
    const own = catalogOf(catalog, endpoint);
    const road = compileRoad({ catalog: own, permit, routes, recorder: lasting.recorder }, ports);
    return {
      path: endpoint.path,
      resource: endpoint.resource,
      catalog: own,
      ...compileAuth(config, endpoint, { ...lasting, introspect, metadata }, ports),
      road,
      mcp: compileMcp(own, permit, road, lasting.recorder),
    };
  });
  return {
    config,
    catalog,
    permit,
    endpoints,
    http: {
      edge: compileEdge(config.server),
      endpoints: new Map(endpoints.map((endpoint) => [endpoint.path, endpoint])),
      metadata: new Map(
        [...metadata.values()].flatMap(({ paths, body }) => paths.map((path) => [path, body])),
      ),
      gatewayKeys: config.apis.some(({ credential }) => credential.kind === "signedJwt")
        ? signingKeys.jwks
        : undefined,
    },
    files: [...config.files, ...[...documents.values()].flatMap(({ files }) => files)],
    documents: [...documents].map(([api, document]) => ({
      ...reportOn(api, document, catalog),
      unwanted: compiled.unwanted.get(api) ?? [],
    })),
    warnings: issues,
    generation,
  };
}

function reportOn(
  api: string,
  document: ApiDocument,
  catalog: Catalog,
): Omit<DocumentReport, "unwanted"> {
  const { source, version, operations, skipped, ignored } = document;
  const tools = [...catalog.tools.values()].filter((tool) => tool.api === api).length;
  return {
    api,
    source,
    version,
    converted: operations.length,
    skipped: skipped.length,
    ignored,
    tools,
  };
}

function catalogOf(catalog: Catalog, { apis }: EndpointConfig): Catalog {
  const tools = [...catalog.tools.values()].filter(({ api }) => apis.includes(api));
  return tools.length === catalog.tools.size ? catalog : createCatalog(tools);
}

function compileAllMetadata({
  auth,
  endpoints,
}: Config): ReadonlyMap<EndpointConfig, ResourceMetadata> {
  if (auth.mode === "none") return new Map();
  const only = endpoints.length === 1;
  return new Map(endpoints.map((endpoint) => [endpoint, compileMetadata(auth, endpoint, only)]));
}

/** How to ask the issuers about their tokens, by issuer. */
function compileIntrospect(
  { auth, clients }: Config,
  lasting: Lasting,
  ports: Ports,
): AuthenticateDeps["introspect"] {
  const issuers = auth.mode === "oauth" ? auth.issuers : [];
  return new Map(
    issuers.flatMap(({ issuer, introspection }) => {
      const client = introspection && clients.get(introspection.client);
      if (client === undefined) return [];
      return [[issuer, createIntrospect(client, introspection?.url, lasting, ports)]];
    }),
  );
}

function policyOf({ auth, when, apis }: Config): Parameters<typeof compilePermit>[1] {
  const whenOfApi = new Map(apis.flatMap((api) => (api.when ? [[api.id, api.when]] : [])));
  const conditions = { when, whenOfApi };
  return auth.mode === "oauth"
    ? { login: true, stepUp: auth.stepUp, baseline: auth.scopes, ...conditions }
    : { login: false, stepUp: false, baseline: [], ...conditions };
}

function compileAuth(
  { auth }: Config,
  endpoint: EndpointConfig,
  deps: AuthenticateDeps & {
    readonly metadata: ReadonlyMap<EndpointConfig, ResourceMetadata>;
  },
  ports: Ports,
): Pick<Endpoint, "authenticate" | "refuse"> {
  const metadataUrl = deps.metadata.get(endpoint)?.url ?? "";
  if (auth.mode === "none") {
    const refuse = compileChallenge({
      metadataUrl,
      scopes: [],
      advertise: () => [],
      dpop: false,
    });
    return { authenticate: createAnonymous(), refuse };
  }
  return {
    authenticate: createAuthenticate(auth, endpoint, deps, ports),
    refuse: compileChallenge({
      metadataUrl,
      scopes: auth.scopes,
      advertise: compileAdvertised(auth.issuers, endpoint.resource),
      dpop: auth.dpop !== "off",
    }),
  };
}

/** Every member by name: spreading costs more than the rest of a list. */
function noteOf(origin: Origin, event: Note["event"], detail?: JsonObject): Note {
  return {
    event,
    outcome: "success",
    reason: undefined,
    principal: origin.principal,
    transport: origin.transport,
    client: origin.client,
    requestId: origin.requestId,
    detail,
  };
}

function compileMcp(catalog: Catalog, permit: Permit, road: Road, recorder: Recorder): McpService {
  return {
    callTool: road.callTool,
    listTools(origin, era) {
      const { principal } = origin;
      let visible = 0;
      const list = catalog.listFor(
        (tool) => {
          const isVisible = permit(tool, principal).kind !== "hidden";
          if (isVisible) visible++;
          return isVisible;
        },
        era === "modern" ? "entry" : "legacyEntry",
      );
      const detail = { list: { visible, hidden: catalog.tools.size - visible } };
      recorder.note(noteOf(origin, "tool.list", detail));
      return list;
    },
    missingScopes: road.missingScopes,
    rejected: (origin, reason) =>
      recorder.note({ ...noteOf(origin, "request.reject"), outcome: "denied", reason }),
    hasParamHeaders: [...catalog.tools.values()].some(({ headers }) => headers.length > 0),
    paramHeaders(name, principal) {
      const tool = catalog.tools.get(name);
      return tool && permit(tool, principal).kind !== "hidden" ? tool.headers : [];
    },
  };
}

interface Draft extends Loaded {
  readonly catalog: Catalog;
  readonly issues: Issue[];
  readonly generation: string;
  readonly signingKeys: SigningKeys;
}

/** With more tools than this, metrics name their API instead. */
const maxLabelled = 1_000;

const noServers: Servers = { scope: "document", list: [] };

function compileRoutes(
  { config, documents, catalog, issues, generation, signingKeys }: Draft,
  lasting: Lasting,
  ports: Ports,
): RoadParts["routes"] {
  const plans = new Map<Tool, () => Route>();
  const routes = new Map<Tool, Route>();
  const deps = {
    ...lasting,
    signingKeys,
    clients: config.clients,
    issuer: config.server.url,
    offeredScopes: offeredScopesOf(config),
  };
  for (const api of config.apis) {
    const tools = [...catalog.tools.values()].filter((tool) => tool.api === api.id);
    const credential = collect(issues, () => createCredential(api, deps, ports));
    if (credential === undefined) continue;
    const servers = documents.get(api.id)?.servers ?? noServers;
    issues.push(...checkServers(api, servers));
    const locate = compileLocate(api, servers);
    const enter: Enter = createConcurrencyLimit(config.limits.maxConcurrentCalls);
    const limits = { timeoutMs: api.timeoutMs, maxBytes: config.limits.maxResponseBytes };
    for (const tool of tools) {
      const base = locate(tool.operation);
      collect(issues, () => compileReshape(tool.response));
      if (isFinding(base)) {
        tell(issues, base);
        continue;
      }
      plans.set(tool, () => ({
        enter,
        credential: credential(tool),
        limits,
        origin: base.origin,
        build: compileRequest(tool, {
          basePath: base.basePath,
          userAgent: lasting.userAgent,
          deepLists: api.deepObjectArrays,
        }),
        send: compileSend(api, base.origin, lasting.upstreams, ports),
        ...compileReading(tool, limits, ports),
        text: describeTool(tool, api.credential, {
          generation,
          labels: {
            tool: catalog.tools.size > maxLabelled ? tool.api : tool.name,
            method: tool.operation.method,
            address: new URL(base.origin).host,
          },
        }),
        unsafe: isUnsafe(tool),
        needsAudit: needsAudit(config, tool),
      }));
    }
  }
  return {
    // Made at the first call: of a thousand tools most are never called.
    get(tool) {
      const known = routes.get(tool);
      if (known !== undefined) return known;
      const route = plans.get(tool)?.();
      if (route !== undefined) routes.set(tool, route);
      return route;
    },
  };
}

/** Every scope that a challenge or the metadata may name. */
function offeredScopesOf({ auth, apis }: Config): ReadonlySet<string> {
  const baseline = auth.mode === "oauth" ? auth.scopes : [];
  const rules = apis.flatMap((api) => api.rules.flatMap(({ scopes }) => scopes));
  return new Set([...baseline, ...rules]);
}

function compileSend(
  { redirects }: ApiConfig,
  origin: string,
  { to }: Upstreams,
  { now }: Ports,
): Send {
  const send = to(origin);
  return redirects === undefined
    ? send
    : followRedirects(send, { origin, allowedHosts: redirects.allowedHosts, to }, now);
}

/** How the answers of a tool are read. */
function compileReading(
  tool: Tool,
  { maxBytes }: SendLimits,
  ports: Ports,
): Pick<Route, "joinPages" | "mapReply"> {
  const shape = replyShapeOf(tool);
  const { findNext, method } = shape;
  const { maxPages } = tool.response;
  const joins = maxPages > 1 && (method === "GET" || method === "QUERY");
  return {
    joinPages: joins && findNext ? compilePages(findNext, { maxPages, maxBytes }) : undefined,
    mapReply: compileReply(shape, replyLimitsOf(tool.response), ports),
  };
}

function isFinding(found: BaseUrl | Issue): found is Issue {
  return "severity" in found;
}

/** One finding says it for all tools that have the same. */
function tell(issues: Issue[], finding: Issue): void {
  const { code, position } = finding;
  if (!issues.some((told) => told.code === code && told.position === position))
    issues.push(finding);
}

function needsAudit({ audit }: Config, tool: Tool): boolean {
  return audit.onFailure === "deny" || (audit.onFailure === "deny-unsafe" && isUnsafe(tool));
}

function collect<T>(issues: Issue[], make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
    return undefined;
  }
}
