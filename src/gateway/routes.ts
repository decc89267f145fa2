import { randomUUID } from "node:crypto";
import type { Issue } from "../base/issue.ts";
import type { Ports } from "../base/ports.ts";
import { createConfirm } from "../call/confirm.ts";
import { compileQuestion } from "../call/question.ts";
import type { RoadParts } from "../call/road.ts";
import type { Route } from "../call/route.ts";
import type { Config } from "../config/config.ts";
import type { ApiConfig } from "../config/types/apis.ts";
import type { BulkheadSize } from "../limits/bulkhead.ts";
import type { EnterRules } from "../limits/limits.ts";
import { describeTool, isUnsafe } from "../observe/record/text.ts";
import type { Servers } from "../openapi/operation/operation.ts";
import type { Catalog } from "../tools/catalog.ts";
import type { Tool } from "../tools/tool.ts";
import type { BaseUrl } from "../upstream/request/base-url.ts";
import { createCredential } from "../upstream/credential/credential.ts";
import { checkServers, compileLocate } from "../upstream/request/locate.ts";
import { compileReply, replyLimitsOf, type ReplyPorts } from "../upstream/reply/map-reply.ts";
import { compilePages } from "../upstream/reply/pages.ts";
import { followRedirects } from "../upstream/redirect.ts";
import { replyShapeOf } from "../upstream/reply/reply-shape.ts";
import { compileRequest } from "../upstream/request/request.ts";
import { compileStreamText } from "../upstream/reply/streamed-text.ts";
import { compileReshape } from "../upstream/reply/reshape.ts";
import { compileRetry } from "../upstream/retry.ts";
import type { Send, Upstreams } from "../upstream/send.ts";
import type { SigningKeys } from "../upstream/credential/signing-keys.ts";
import { collect } from "./collect.ts";
import { mayStream, needsAudit } from "./streaming.ts";
import type { Connections } from "./connections.ts";
import type { Lasting } from "./lasting.ts";
import type { Loaded } from "./candidate.ts";

export interface Draft extends Loaded {
  readonly catalog: Catalog;
  readonly issues: Issue[];
  readonly generation: string;
  readonly signingKeys: SigningKeys;
  readonly connections: Connections | undefined;
}

/** With more tools than this, metrics name their API instead. */
const maxLabelled = 1_000;

const noServers: Servers = { scope: "document", list: [] };

export function compileRoutes(
  { config, documents, catalog, issues, generation, signingKeys, connections }: Draft,
  lasting: Lasting,
  ports: Ports,
): RoadParts["routes"] {
  const plans = new Map<Tool, () => Route>();
  const routes = new Map<Tool, Route>();
  const deps = {
    ...lasting,
    signingKeys,
    connections,
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
    for (const tool of tools) {
      const base = locate(tool.operation);
      collect(issues, () => compileReshape(tool.response));
      if (isFinding(base)) {
        tell(issues, base);
        continue;
      }
      const { headersMs, idleMs, totalMs: timeoutMs } = tool.timeouts;
      const maxBytes = config.limits.maxResponseBytes;
      const limits = { timeoutMs, headersMs, idleMs, maxBytes };
      plans.set(tool, () => ({
        ...compileEntry(tool, api, config, lasting),
        credential: credential(tool),
        limits,
        callTimeoutMs: config.limits.callTimeoutMs,
        origin: base.origin,
        build: compileRequest(tool, {
          basePath: base.basePath,
          userAgent: lasting.userAgent,
          deepLists: api.deepObjectArrays,
        }),
        send: compileSend(api, base.origin, lasting.upstreams, ports),
        circuit: api.breaker ? lasting.limits.circuitOf(api.id) : undefined,
        retry: compileRetry(tool.operation.method, api.retry, {
          now: ports.now,
          random: Math.random,
          budget: lasting.limits.budgetOf(api.id),
          onRetry: (reason) => lasting.measures.retried(api.id, reason),
          onExhausted: lasting.measures.retryBudgetExhausted,
        }),
        idempotencyKey: compileKey(api),
        ...compileReading(tool, config, {
          now: ports.now,
          onTruncated: lasting.measures.truncated,
        }),
        text: describeTool(tool, api.credential, {
          generation,
          audit: config.audit,
          labels: {
            tool: catalog.tools.size > maxLabelled ? tool.api : tool.name,
            method: tool.operation.method,
            path: tool.operation.path,
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
  { redirects, timeouts, ca }: ApiConfig,
  origin: string,
  upstreams: Upstreams,
  { now }: Ports,
): Send {
  // The authorities of this API say nothing about the hosts that it sends us to.
  const to = (there: string): Send =>
    upstreams.to(there, timeouts.connectMs, there === origin ? ca : undefined);
  const send = to(origin);
  return redirects === undefined
    ? send
    : followRedirects(send, { origin, allowedHosts: redirects.allowedHosts, to }, now);
}

/** Limits, and the person's agreement where the rule asks for it. */
function compileEntry(
  tool: Tool,
  api: ApiConfig,
  config: Config,
  { limits }: Lasting,
): Pick<Route, "enter" | "confirm"> {
  const rules = enterRulesOf(tool, api, config);
  const enter = limits.compileEnter(rules);
  if (tool.confirm === undefined) return { enter, confirm: undefined };
  const rates = { tool: undefined, external: undefined, principal: undefined, client: undefined };
  const enterAgain = limits.compileEnter({ ...rules, rates });
  const ask = compileQuestion(tool, config.audit.redact);
  return { enter, confirm: createConfirm({ ask, enter, enterAgain }) };
}

function enterRulesOf(tool: Tool, api: ApiConfig, { limits }: Config): EnterRules {
  const { queue, queueMs, rates } = limits;
  const size = (places: number): BulkheadSize => ({ places, queue, queueMs });
  return {
    api: api.id,
    tool: tool.name,
    apiSize: size(api.maxConcurrentCalls),
    toolSize: tool.maxConcurrentCalls === undefined ? undefined : size(tool.maxConcurrentCalls),
    principalSize: size(limits.maxPrincipalCalls),
    total: limits.maxCalls,
    rates: {
      ...rates,
      tool: tool.rate ?? rates.tool,
      external: tool.egress === "external" ? rates.external : undefined,
    },
  };
}

function compileKey({ retry: { idempotencyKey: name } }: ApiConfig): Route["idempotencyKey"] {
  return name === undefined ? undefined : () => [name.toLowerCase(), randomUUID()];
}

/** How the answers of a tool are read. */
function compileReading(
  tool: Tool,
  config: Config,
  ports: ReplyPorts,
): Pick<Route, "joinPages" | "mapReply" | "streamText"> {
  const shape = replyShapeOf(tool);
  const { findNext, method } = shape;
  const { maxPages } = tool.response;
  const maxBytes = config.limits.maxResponseBytes;
  const joins = maxPages > 1 && (method === "GET" || method === "QUERY");
  const joinPages = joins && findNext ? compilePages(findNext, { maxPages, maxBytes }) : undefined;
  const limits = replyLimitsOf(tool.response);
  const mapReply = compileReply(shape, limits, ports);
  const streams = joinPages === undefined && mayStream(config, tool);
  const streamText = streams ? compileStreamText(shape, limits, ports) : undefined;
  return {
    joinPages,
    mapReply: streamText
      ? (response, ...more) => response.rest ?? mapReply(response, ...more)
      : mapReply,
    streamText,
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
