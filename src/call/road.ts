import { AuthError, CallError, UnknownToolError, type CallCode } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import { RateError } from "../limits/rate-error.ts";
import type { Recorder } from "../observe/recorder.ts";
import type { CallEnd, CallTrace, Origin } from "../observe/record/event.ts";
import type { ToolText } from "../observe/record/text.ts";
import type { CallSpan, Tracing } from "../observe/traces/tracing.ts";
import type { Permit } from "../policy/permit.ts";
import type { Catalog } from "../tools/catalog.ts";
import type { ArgIssue } from "../tools/arg-issue.ts";
import type { Tool } from "../tools/tool.ts";
import { collectValues, type Values } from "../tools/values.ts";
import type { Reply } from "../upstream/reply/reply.ts";
import type { CredentialParts } from "../upstream/request/request.ts";
import type { WireRequest, WireResponse } from "../upstream/request/message.ts";
import type { TakeBody } from "../upstream/taken-body.ts";
import type { Call, CallTool } from "./call.ts";
import { askAgain, exchange, withKey, type Sending } from "./exchange.ts";
import type { Route } from "./route.ts";

export interface RoadParts {
  readonly catalog: Catalog;
  readonly permit: Permit;
  /** undefined only for a tool of another catalog. */
  readonly routes: { readonly get: (tool: Tool) => Route | undefined };
  readonly recorder: Recorder;
  /** undefined: nobody asked for traces. */
  readonly tracing: Tracing | undefined;
}

export interface Road {
  readonly callTool: CallTool;
  /**
   * Every scope the tool needs when this caller lacks one, else undefined: for who must challenge
   * before a call can start. Recorded like the refusal of the call.
   */
  readonly missingScopes: (tool: string, origin: Origin) => readonly string[] | undefined;
  /** The request as it would be sent, with `credential` in place of a real one; sends nothing. */
  readonly prepare: (
    call: Omit<Call, "consent">,
    credential: CredentialParts,
  ) => { readonly origin: string; readonly request: WireRequest };
}

/**
 * find tool → permit → validate → limits → agreement → credential → build → send → map reply, and
 * the audit record around it all. The order is a security property: nothing is told about a tool
 * before it is known to be the caller's, and nothing is sent before every check has passed.
 */
export function compileRoad(parts: RoadParts, ports: Ports): Road {
  const { catalog, permit, routes, recorder, tracing } = parts;

  const find = (call: Pick<Call, "tool">): Route | undefined => {
    const tool = catalog.tools.get(call.tool);
    return tool && routes.get(tool);
  };
  const admit = (call: Omit<Call, "consent">): Tool => {
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

  const run = async (
    call: Call,
    route: Route | undefined,
    trace: CallTrace,
    span: CallSpan | undefined,
  ): Promise<Reply> => {
    const tool = span ? within(span, "policy.evaluate", () => admit(call)) : admit(call);
    if (route === undefined) throw new TypeError(`no route for ${tool.name}`);
    if (route.needsAudit && recorder.problem() !== undefined) throw auditUnavailable();
    const values = collectValues(tool.places, call.args, call.principal);
    const { confirm } = route;
    const entered = (confirm === undefined ? route.enter : confirm.enterFor(call))(call);
    const leave = entered instanceof Promise ? await entered : entered;
    try {
      if (confirm !== undefined) {
        // Nobody is asked about what cannot be sent.
        route.build(values, noCredential);
        confirm.check(call, trace);
      }
      const sending: Sending = {
        call,
        route,
        trace,
        span,
        build: (credential) => route.build(values, credential),
        announce: () => announce(call, route, trace),
        takeBody: bodyTaker(route, call, values, trace),
      };
      const again = route.joinPages && askAgain(sending, ports.now);
      const response = await exchange(sending, ports.now);
      const joined = again && (await route.joinPages?.(response, values, again));
      if (joined !== undefined) noteJoined(trace, joined.response, ports.now());
      const whole = joined?.response ?? response;
      // Of an answer that was passed on they are counted, and nothing of it is here.
      trace.answerBytes += whole.body.length;
      trace.answer = whole.body;
      const read = (): Reply => route.mapReply(whole, values, joined);
      return span ? within(span, "response.transform", read) : read();
    } finally {
      leave();
    }
  };

  /** The span of a call ends when its record is written. */
  const record = (
    call: Call,
    end: CallEnd,
    trace: CallTrace,
    span: CallSpan | undefined,
  ): boolean | Promise<boolean> => {
    if (span === undefined) return recorder.call(call, end, trace);
    const committed = span.step("audit.commit");
    const commit = async (): Promise<boolean> => {
      const kept = await recorder.call(call, end, trace);
      committed();
      span.end(end, trace);
      return kept;
    };
    return commit();
  };

  /** Nothing that may change something is sent before the log says that it will be. */
  const announce = async (call: Call, route: Route, trace: CallTrace): Promise<void> => {
    const { id, written } = recorder.intend(call, trace);
    trace.intent = id === "" ? undefined : id;
    if (!(await written) && route.needsAudit) throw auditUnavailable();
  };

  return {
    async callTool(call) {
      const route = find(call);
      recorder.enter();
      const startedAt = ports.now();
      const text = route?.text;
      const span = tracing?.startCall(call, text, startedAt);
      const trace = startTrace(text, startedAt, span);
      let end: CallEnd = success;
      let ended: { readonly reply: Reply } | { readonly error: unknown };
      try {
        const reply = await run(call, route, trace, span);
        trace.isError = reply.isError;
        end = endOf(reply);
        ended = { reply };
      } catch (error) {
        end = judge(error);
        trace.isError = true;
        if (error instanceof CallError && error.cause !== undefined) {
          ports.log.warn("call_failed", describeFailure(call, error));
        }
        ended = error instanceof CallError ? { reply: refuse(error) } : { error };
      }
      trace.endedAt = ports.now();
      const written = record(call, end, trace, span);
      const kept = written === true || (await written);
      if ("error" in ended) throw ended.error;
      // What was announced is known to the log, and what was done is best told to the caller.
      if (!kept && route?.needsAudit && trace.intent === undefined && end === success) {
        return refuse(auditUnavailable());
      }
      return ended.reply;
    },
    missingScopes(name, origin) {
      const tool = catalog.tools.get(name);
      const decision = tool && permit(tool, origin.principal);
      if (decision?.kind !== "needs_scopes") return undefined;
      const call = { ...origin, tool: name, args: undefined };
      recorder.enter();
      void recorder.call(
        call,
        lacksScopes,
        startTrace(find({ tool: name })?.text, ports.now(), undefined),
      );
      return decision.scopes;
    },
    prepare(call, credential) {
      const tool = admit(call);
      const route = routes.get(tool);
      if (route === undefined) throw new TypeError(`no route for ${tool.name}`);
      const values = collectValues(tool.places, call.args, call.principal);
      const request = withKey(route.build(values, credential), route.idempotencyKey?.());
      return { origin: route.origin, request };
    },
  };
}

/** undefined: the answer has to be whole, or the caller takes only whole replies. */
function bodyTaker(
  { streamText, unsafe }: Route,
  { openText: open, cancel }: Call,
  values: Values,
  trace: CallTrace,
): TakeBody | undefined {
  if (streamText === undefined || open === undefined) return undefined;
  const onBytes = (bytes: number): void => {
    trace.answerBytes = bytes;
  };
  return streamText({ open, values, onBytes, unsafe, endsWithClient: cancel !== undefined });
}

/** The page after the last one that is joined may have had no answer. */
function noteJoined(trace: CallTrace, { status }: WireResponse, moment: number): void {
  trace.answeredAt = moment;
  trace.status ??= status;
}

function within<T>(span: CallSpan, step: Parameters<CallSpan["step"]>[0], work: () => T): T {
  const end = span.step(step);
  try {
    return work();
  } finally {
    end();
  }
}

function startTrace(
  tool: ToolText | undefined,
  startedAt: number,
  span: CallSpan | undefined,
): CallTrace {
  return {
    tool,
    span,
    confirmation: undefined,
    intent: undefined,
    startedAt,
    sentAt: startedAt,
    attempts: 0,
    status: undefined,
    answeredAt: startedAt,
    answerBytes: 0,
    answer: undefined,
    isError: false,
    endedAt: startedAt,
  };
}

const noCredential: CredentialParts = { headers: [], query: "", cookie: "" };

const success: CallEnd = { event: "tool.call", outcome: "success", reason: undefined };

function failure(reason: string): CallEnd {
  return { event: "tool.call", outcome: "failure", reason };
}

function endOf(reply: Reply): CallEnd {
  if (!reply.isError) return success;
  return reply.reason ? failure(reply.reason) : failure("upstream_error");
}

function auditUnavailable(): CallError {
  return new CallError(
    "audit_unavailable",
    "The gateway cannot keep its records at the moment and does not answer without them. Try again later.",
  );
}

const lacksScopes: CallEnd = {
  event: "policy.deny",
  outcome: "denied",
  reason: "insufficient_scope",
};

/** By policy, or by the person it asked. */
const refusals: ReadonlySet<CallCode> = new Set([
  "not_permitted",
  "confirmation_declined",
  "confirmation_unavailable",
]);

function judge(error: unknown): CallEnd {
  if (error instanceof UnknownToolError) {
    return { event: "policy.deny", outcome: "denied", reason: "unknown_tool" };
  }
  if (error instanceof AuthError) {
    if (error.code === "insufficient_scope") return lacksScopes;
    return { event: "auth.deny", outcome: "denied", reason: error.reason };
  }
  if (!(error instanceof CallError)) return failure("internal_error");
  if (refusals.has(error.code)) {
    return { event: "policy.deny", outcome: "denied", reason: error.code };
  }
  if (error instanceof RateError) {
    return { event: "rate.deny", outcome: "denied", reason: error.code, limit: error.limit };
  }
  if (error.code === "busy") return { event: "tool.call", outcome: "shed", reason: error.code };
  if (error.code === "cancelled") {
    return { event: "tool.call", outcome: "cancelled", reason: error.code };
  }
  return failure(error.code);
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

function refuse({ message, retryAfterMs, errand, question }: CallError): Reply {
  return {
    content: [{ type: "text", text: message }],
    structured: undefined,
    isError: true,
    isOwn: true,
    ...(retryAfterMs === undefined ? {} : { retryAfter: Math.ceil(retryAfterMs / 1000) }),
    ...(errand === undefined ? {} : { errand }),
    ...(question === undefined ? {} : { question }),
  };
}
