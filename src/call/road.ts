import { AuthError, CallError, UnknownToolError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import type { Enter } from "../limits/concurrency.ts";
import type { Audit, AuditEvent } from "../observe/audit.ts";
import type { Permit } from "../policy/permit.ts";
import type { Catalog } from "../tools/catalog.ts";
import type { ArgIssue, Tool } from "../tools/tool.ts";
import { collectValues } from "../tools/values.ts";
import type { Credential } from "../upstream/credential-parts.ts";
import type { WireRequest, WireResponse } from "../upstream/message.ts";
import type { MapReply } from "../upstream/map-reply.ts";
import type { Reply } from "../upstream/reply.ts";
import type { Again, JoinPages } from "../upstream/pages.ts";
import type { BuildRequest, CredentialParts } from "../upstream/request.ts";
import type { Send, SendLimits } from "../upstream/send.ts";
import type { Call, CallTool } from "./call.ts";
import { createProgress } from "./progress.ts";

/** What one tool needs on its way; compiled at load. */
export interface Route {
  readonly enter: Enter;
  readonly credential: Credential;
  /** Of the API, e.g. `http://courses.internal:8080`. */
  readonly origin: string;
  readonly build: BuildRequest;
  readonly send: Send;
  readonly limits: SendLimits;
  readonly mapReply: MapReply;
  /** undefined: one page is the whole answer. */
  readonly joinPages: JoinPages | undefined;
}

export interface RoadParts {
  readonly catalog: Catalog;
  readonly permit: Permit;
  /** undefined only for a tool of another catalog. */
  readonly routes: { readonly get: (tool: Tool) => Route | undefined };
  readonly audit: Audit;
}

export interface Road {
  readonly callTool: CallTool;
  /**
   * Every scope the tool needs when this caller lacks one, else undefined: for who must challenge
   * before a call can start. Recorded like the refusal of the call.
   */
  readonly missingScopes: (tool: string, principal: Principal) => readonly string[] | undefined;
  /** The request as it would be sent, with `credential` in place of a real one; sends nothing. */
  readonly prepare: (
    call: Call,
    credential: CredentialParts,
  ) => { readonly origin: string; readonly request: WireRequest };
}

/**
 * find tool → permit → validate → limits → credential → build → send → map reply, and the audit
 * record around it all. The order is a security property: nothing is told about a tool before it is
 * known to be the caller's, and nothing is sent before every check has passed.
 */
export function compileRoad(parts: RoadParts, ports: Ports): Road {
  const { catalog, permit, routes, audit } = parts;

  const admit = (call: Call): Tool => {
    const tool = catalog.tools.get(call.tool);
    if (tool === undefined) throw new UnknownToolError(call.tool);
    const decision = permit(tool, call.principal, call.args);
    if (decision.kind === "hidden") throw new UnknownToolError(call.tool);
    if (decision.kind === "needs_scopes") {
      throw new AuthError("insufficient_scope", "tool_scope_missing", { scopes: decision.scopes });
    }
    if (decision.kind === "denied") {
      throw new CallError("not_permitted", "You may not call this tool with these arguments.");
    }
    const issues = tool.validate(call.args);
    if (issues.length > 0) throw new CallError("invalid_arguments", describeIssues(issues));
    return tool;
  };

  const run = async (call: Call, seen: Seen): Promise<Reply> => {
    const tool = admit(call);
    const route = routes.get(tool);
    if (route === undefined) throw new TypeError(`no route for ${tool.name}`);
    const values = collectValues(tool.places, call.args, call.principal);
    const leave = route.enter();
    try {
      const again = route.joinPages && askAgain(route, call, seen, ports.now);
      const response = await exchange(
        route,
        call,
        (credential) => route.build(values, credential),
        seen,
      );
      const joined = again && (await route.joinPages?.(response, values, again));
      return route.mapReply(joined?.response ?? response, values, joined);
    } finally {
      leave();
    }
  };

  const record = (
    call: Pick<Call, "tool" | "principal" | "transport"> & Partial<Pick<Call, "args">>,
    end: End,
    upstreamStatus: number | undefined,
    durationMs: number,
  ): void => {
    const tool = catalog.tools.get(call.tool);
    const operation =
      tool && (tool.operation.id ?? `${tool.operation.method} ${tool.operation.path}`);
    const { principal, transport, args } = call;
    audit.record({
      ...end,
      principal,
      transport,
      tool: call.tool,
      operation,
      api: tool?.api,
      args,
      upstreamStatus,
      durationMs,
    });
  };

  return {
    async callTool(call) {
      const startedAt = ports.now();
      const seen: Seen = { status: undefined };
      let end: End = failure("internal_error");
      try {
        const reply = await run(call, seen);
        end = reply.isError ? failure("upstream_error") : success;
        return reply;
      } catch (error) {
        end = judge(error);
        if (error instanceof CallError) {
          if (error.cause !== undefined) {
            ports.log.warn("call_failed", describeFailure(call, error));
          }
          return refuse(error);
        }
        throw error;
      } finally {
        record(call, end, seen.status, ports.now() - startedAt);
      }
    },
    missingScopes(name, principal) {
      const tool = catalog.tools.get(name);
      const decision = tool && permit(tool, principal);
      if (decision?.kind !== "needs_scopes") return undefined;
      record({ tool: name, principal, transport: "http" }, lacksScopes, undefined, 0);
      return decision.scopes;
    },
    prepare(call, credential) {
      const tool = admit(call);
      const route = routes.get(tool);
      if (route === undefined) throw new TypeError(`no route for ${tool.name}`);
      const values = collectValues(tool.places, call.args, call.principal);
      return { origin: route.origin, request: route.build(values, credential) };
    },
  };
}

interface Seen {
  status: number | undefined;
}

type End = Pick<AuditEvent, "event" | "outcome" | "reason">;

const success: End = { event: "tool.call", outcome: "success", reason: undefined };

function failure(reason: string): End {
  return { event: "tool.call", outcome: "failure", reason };
}

const lacksScopes: End = {
  event: "policy.deny",
  outcome: "denied",
  reason: "insufficient_scope",
};

function judge(error: unknown): End {
  if (error instanceof UnknownToolError) {
    return { event: "policy.deny", outcome: "denied", reason: "unknown_tool" };
  }
  if (error instanceof AuthError) {
    if (error.code === "insufficient_scope") return lacksScopes;
    return { event: "auth.deny", outcome: "denied", reason: error.code };
  }
  if (!(error instanceof CallError)) return failure("internal_error");
  if (error.code === "not_permitted") {
    return { event: "policy.deny", outcome: "denied", reason: error.code };
  }
  if (error.code === "cancelled") {
    return { event: "tool.call", outcome: "cancelled", reason: error.code };
  }
  return failure(error.code);
}

/**
 * One request, and one more when the API refuses the credential and a fresh one can be had: a 401
 * says that nothing was done, so this is safe for every method.
 */
async function exchange(
  route: Route,
  call: Call,
  build: (credential: CredentialParts) => WireRequest,
  seen: Seen,
): Promise<WireResponse> {
  const { credential, limits } = route;
  const { principal, cancel } = call;
  const watch = { cancel, ...createProgress(call.onProgress) };
  const cached = credential.get(principal, cancel);
  const first = cached instanceof Promise ? await cached : cached;
  const response = await route.send(build(first), limits, watch);
  seen.status = response.status;
  if (response.status !== 401 || !credential.invalidate(principal, first)) return response;
  const second = await credential.get(principal, cancel);
  const again = await route.send(build(second), limits, watch);
  seen.status = again.status;
  if (again.status !== 401) return again;
  credential.invalidate(principal, second);
  throw new CallError(
    "upstream_unauthorized",
    "The API refused the gateway's credential, and a fresh one as well. Trying again does not help now.",
  );
}

/** For further pages: the deadline is that of the whole call, and only the first reports progress. */
function askAgain(route: Route, call: Call, seen: Seen, now: () => number): Again {
  const deadline = now() + route.limits.timeoutMs;
  return (values) => {
    const limits = { ...route.limits, timeoutMs: Math.max(1, deadline - now()) };
    const build = (credential: CredentialParts): WireRequest => route.build(values, credential);
    return exchange({ ...route, limits }, { ...call, onProgress: undefined }, build, seen);
  };
}

function describeIssues(issues: readonly ArgIssue[]): string {
  return `Invalid arguments:\n${issues.map(({ path, message }) => `- ${path}: ${message}`).join("\n")}`;
}

/** Codes only: the text of a cause may repeat what the API or the caller sent. */
function describeFailure(call: Call, { code, cause }: CallError): JsonObject {
  const system = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const known = typeof system === "string" ? { cause: system } : {};
  return { tool: call.tool.slice(0, 128), code, ...known };
}

function refuse({ message, retryAfterMs }: CallError): Reply {
  return {
    content: [{ type: "text", text: message }],
    structured: undefined,
    isError: true,
    ...(retryAfterMs === undefined ? {} : { retryAfter: Math.ceil(retryAfterMs / 1000) }),
  };
}
