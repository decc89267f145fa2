import { AuthError, CallError, UnknownToolError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
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
}

export interface RoadParts {
  readonly catalog: Catalog;
  readonly permit: Permit;
  readonly routes: ReadonlyMap<Tool, Route>;
  readonly audit: Audit;
}

export interface Road {
  readonly callTool: CallTool;
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
      const response = await exchange(route, call, (credential) => route.build(values, credential));
      seen.status = response.status;
      return route.mapReply(response);
    } finally {
      leave();
    }
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
            ports.log.warn("call_failed", { tool: call.tool, code: error.code });
          }
          return refuse(error);
        }
        throw error;
      } finally {
        const tool = catalog.tools.get(call.tool);
        audit.record({
          event: end.event,
          outcome: end.outcome,
          reason: end.reason,
          principal: call.principal,
          transport: call.transport,
          tool: call.tool,
          operation:
            tool && (tool.operation.id ?? `${tool.operation.method} ${tool.operation.path}`),
          api: tool?.api,
          args: call.args,
          upstreamStatus: seen.status,
          durationMs: ports.now() - startedAt,
        });
      }
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

function judge(error: unknown): End {
  if (error instanceof UnknownToolError) {
    return { event: "policy.deny", outcome: "denied", reason: "unknown_tool" };
  }
  if (error instanceof AuthError) {
    return { event: "policy.deny", outcome: "denied", reason: error.code };
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
): Promise<WireResponse> {
  const { credential, limits } = route;
  const { principal, cancel } = call;
  const watch = { cancel, ...createProgress(call.onProgress) };
  const cached = credential.get(principal, cancel);
  const first = cached instanceof Promise ? await cached : cached;
  const response = await route.send(build(first), limits, watch);
  if (response.status !== 401 || !credential.invalidate(principal, first)) return response;
  const second = await credential.get(principal, cancel);
  const again = await route.send(build(second), limits, watch);
  if (again.status === 401) credential.invalidate(principal, second);
  return again;
}

function describeIssues(issues: readonly ArgIssue[]): string {
  return `Invalid arguments:\n${issues.map(({ path, message }) => `- ${path}: ${message}`).join("\n")}`;
}

function refuse(error: CallError): Reply {
  return { content: [{ type: "text", text: error.message }], structured: undefined, isError: true };
}
