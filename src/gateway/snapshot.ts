import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { createAnonymous } from "../auth/anonymous.ts";
import {
  createAuthenticate,
  type Authenticate,
  type AuthenticateDeps,
} from "../auth/authenticate.ts";
import { compileChallenge, type Refusal } from "../auth/challenge.ts";
import type { Introspect } from "../auth/introspection.ts";
import { compileAdvertised, compileMetadata, type ResourceMetadata } from "../auth/metadata.ts";
import { ConfigError, type AuthError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import { compileRoad, type Road } from "../call/road.ts";
import type { Config } from "../config/config.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import type { EndpointConfig } from "../config/types/endpoints.ts";
import type { ServerConfig } from "../config/types/server.ts";
import { compileEdge } from "../http/edge.ts";
import { compileAddressOf } from "../http/forwarded.ts";
import type { HttpService } from "../http/server.ts";
import type { McpService } from "../mcp/service.ts";
import type { Note, Origin } from "../observe/record/event.ts";
import {
  compileReadIncoming,
  type TraceParent,
  type Verification,
} from "../observe/trace-context.ts";
import type { ApiDocument, Ignored } from "../openapi/operation/operation.ts";
import { compilePermit, type Permit } from "../policy/permit.ts";
import { compileCatalog, createCatalog, type Catalog } from "../tools/catalog.ts";
import { toGemini } from "../tools/gemini.ts";
import { compileSigningKeys } from "../upstream/credential/signing-keys.ts";
import type { Loaded } from "./candidate.ts";
import { checkLogin, compileConnections, type Connections } from "./connections.ts";
import { collect } from "./collect.ts";
import { compileIntrospect } from "./introspection.ts";
import type { Lasting } from "./lasting.ts";
import { compileBackChannel, dropDenied } from "./logout.ts";
import { compileRequestState } from "./request-state.ts";
import { compileRoutes } from "./routes.ts";
import { mayStream } from "./streaming.ts";
import { watchAuthenticate } from "./verification.ts";

/** A configuration and its documents, compiled into everything that serves. Immutable. */
export interface Snapshot {
  readonly config: Config;
  /** Of all endpoints together. */
  readonly catalog: Catalog;
  readonly permit: Permit;
  /** In the order of gateway.yaml; at least one. */
  readonly endpoints: readonly Endpoint[];
  readonly http: HttpService;
  /** undefined: no API is called with an account of the caller's own. */
  readonly connections: Connections | undefined;
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

/**
 * Pure but for the parts in `lasting`.
 *
 * @param checked Waited for once nothing is found wrong, and before anything in `lasting` changes: the
 *   last that can fail.
 * @throws ConfigError with every finding.
 */
export async function compileSnapshot(
  loaded: Loaded,
  lasting: Lasting,
  ports: Ports,
  checked?: (config: Config) => Promise<void>,
): Promise<Snapshot> {
  const { config, documents } = loaded;
  const issues: Issue[] = [...config.warnings];
  const apis = config.apis.flatMap((api) => {
    const document = documents.get(api.id);
    return document === undefined ? [] : [{ config: api, document }];
  });
  const compiled = compileCatalog(apis);
  const { catalog } = compiled;
  // Schemas are converted when a tool asks for them, and tell then what is wrong with them.
  for (const document of documents.values()) issues.push(...document.warnings);
  issues.push(...compiled.issues, ...(loaded.checkLock?.(catalog) ?? []));
  const { permit, issues: conditionIssues } = await compilePermit(
    [...catalog.tools.values()],
    policyOf(config),
  );
  issues.push(...conditionIssues);
  const generation = hash("sha256", `${loaded.fingerprint} ${catalog.digest}`, "hex").slice(0, 12);
  const signingKeys =
    collect(issues, () => compileSigningKeys(config.signingKeys)) ?? lasting.signingKeys;
  const connections = compileConnections(config, lasting, ports);
  collect(issues, () => checkLogin(config, lasting, ports));
  const draft = { ...loaded, catalog, issues, generation, signingKeys, connections };
  const routes = compileRoutes(draft, lasting, ports);
  const introspect =
    collect(issues, () => compileIntrospect(config, lasting, ports)) ??
    new Map<string, Introspect>();
  if (issues.some(({ severity }) => severity === "error")) throw new ConfigError(issues);
  await checked?.(config);
  // From here on nothing is refused: what outlives a reload takes the new configuration.
  if (config.auth.mode === "oauth")
    lasting.keys.replace(signingIssuers(config, config.auth.issuers));
  dropDenied(config.auth, lasting);
  const metadata = compileAllMetadata(config);
  const certificates = asksForCertificates(config.server);
  const requestState = compileRequestState(config, catalog, lasting, ports.now);
  const endpoints = config.endpoints.map((endpoint): Endpoint => {
    const own = catalogOf(catalog, endpoint);
    const { recorder, tracing } = lasting;
    const road = compileRoad({ catalog: own, permit, routes, recorder, tracing }, ports);
    const deps = { ...lasting, introspect, metadata, certificates };
    const { authenticate, refuse } = compileAuth(config, endpoint, deps, ports);
    const watched = tracing && watchAuthenticate(authenticate, tracing, ports);
    return {
      path: endpoint.path,
      resource: endpoint.resource,
      catalog: own,
      authenticate: watched?.authenticate ?? authenticate,
      refuse,
      road,
      mcp: {
        ...compileMcp(own, permit, road, lasting),
        readTrace: watched && compileReadTrace(config, watched.verificationOf),
        requestState,
        streamsText: [...own.tools.values()].some((tool) => mayStream(config, tool)),
      },
    };
  });
  return {
    config,
    catalog,
    permit,
    endpoints,
    http: {
      edge: compileEdge(config.server),
      addressOf: compileAddressOf(config.server.trustProxy),
      endpoints: new Map(endpoints.map((endpoint) => [endpoint.path, endpoint])),
      metadata: new Map(
        [...metadata.values()].flatMap(({ paths, body }) => paths.map((path) => [path, body])),
      ),
      gatewayKeys: config.apis.some(({ credential }) => credential.kind === "signedJwt")
        ? signingKeys.jwks
        : undefined,
      takeAddress: compileTakeAddress(config, lasting),
      logout: compileBackChannel(config.auth, lasting, ports),
      connect: connections?.connect,
    },
    connections,
    files: [...config.files, ...[...documents.values()].flatMap(({ files }) => files)],
    documents: [...documents].map(([api, document]) => ({
      ...reportOn(api, document, catalog),
      unwanted: compiled.unwanted.get(api) ?? [],
    })),
    warnings: issues,
    generation,
  };
}

/** Its paths never change between reloads. */
export function endpointAt({ endpoints }: Snapshot, path: string): Endpoint {
  const found = endpoints.find((endpoint) => endpoint.path === path);
  if (found === undefined) throw new TypeError(`no endpoint ${path}`);
  return found;
}

/** Those that sign something the gateway reads. */
function hasKeys({ tokens, backChannelLogout }: IssuerConfig): boolean {
  return tokens !== "introspect" || backChannelLogout !== undefined;
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

function catalogOf(catalog: Catalog, { apis, profile }: EndpointConfig): Catalog {
  const tools = [...catalog.tools.values()].filter(({ api }) => apis.includes(api));
  if (profile === "gemini") return createCatalog(tools, toGemini);
  return tools.length === catalog.tools.size ? catalog : createCatalog(tools);
}

function compileAllMetadata({
  auth,
  endpoints,
  server,
}: Config): ReadonlyMap<EndpointConfig, ResourceMetadata> {
  if (auth.mode === "none") return new Map();
  const place = { only: endpoints.length === 1, certificates: asksForCertificates(server) };
  return new Map(endpoints.map((endpoint) => [endpoint, compileMetadata(auth, endpoint, place)]));
}

function asksForCertificates({ tls }: ServerConfig): boolean {
  return tls !== undefined && tls.clientCertificate !== "off";
}

/** Those whose signatures are checked, be it only on the ID tokens of a login. */
function signingIssuers(
  { clients, connections }: Config,
  issuers: readonly IssuerConfig[],
): readonly IssuerConfig[] {
  const login = clients.get(connections?.login.client ?? "")?.issuer;
  return issuers.filter((config) => hasKeys(config) || config.issuer === login);
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

/** In the memory of this process only: a store would have to be asked before every request. */
function compileTakeAddress({ limits }: Config, { rates }: Lasting): HttpService["takeAddress"] {
  const { address: rate } = limits.rates;
  return rate && ((address) => rates(`address\n${address}`, rate));
}

/** As in the record of a call. */
function idsOf({ traceId, spanId }: Pick<TraceParent, "traceId" | "spanId">): JsonObject {
  return { trace_id: traceId, span_id: spanId };
}

function compileReadTrace(
  { telemetry }: Config,
  verificationOf: (request: IncomingMessage) => Verification | undefined,
): McpService["readTrace"] {
  const read = compileReadIncoming(telemetry.baggage);
  return (params, request) =>
    read(params, {
      header: request?.headers["traceparent"],
      verification: request && verificationOf(request),
    });
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

function compileMcp(
  catalog: Catalog,
  permit: Permit,
  road: Road,
  { recorder, tracing }: Lasting,
): Omit<McpService, "requestState" | "readTrace" | "streamsText"> {
  return {
    callTool: road.callTool,
    listTools(origin, era) {
      const { principal } = origin;
      const span = tracing?.startList(origin);
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
      recorder.note(noteOf(origin, "tool.list", span ? { ...detail, ...idsOf(span) } : detail));
      span?.end();
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
