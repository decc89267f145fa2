import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace as api,
  TraceFlags,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import type { Ports } from "../../base/ports.ts";
import { attributes as names } from "./conventions.ts";
import type { CallEnd, CallTrace, RecordedCall } from "../record/event.ts";
import { errorOf } from "../operation-error.ts";
import type { ToolText } from "../record/text.ts";
import { randomId, writeTraceparent, type TraceParent } from "../trace-context.ts";

/** Steps of a call that have a span of their own. */
type Step = "policy.evaluate" | "token.exchange" | "response.transform" | "audit.commit";

/** One call in a trace. */
export interface CallSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** @returns Its end. */
  readonly step: (step: Step) => () => void;
  /** A request to the API; `attempt` counts from 1. */
  readonly request: (tool: ToolText, attempt: number) => SentSpan;
  readonly end: (end: CallEnd, trace: CallTrace) => void;
}

interface SentSpan {
  /** For the request: a fresh one each time. undefined: the API is not told. */
  readonly traceparent: string | undefined;
  /** @param reason Code of what went wrong when there is no answer. */
  readonly end: (status: number | undefined, reason: string | undefined) => void;
}

/** Gives calls their spans. What is not sampled costs two ids. */
export type StartSpan = (call: RecordedCall, tool: ToolText | undefined, now: number) => CallSpan;

interface TracingOptions {
  /** Share of traces that are recorded, from 0 to 1. */
  readonly ratio: number;
  /** Whether callers' traces are continued, and APIs told. */
  readonly propagates: boolean;
}

/**
 * Spans of the MCP conventions. A caller's choice is followed only where this gateway's own share
 * would have chosen the trace too: nobody can make it record more.
 */
export function createTracing(
  tracer: Tracer,
  { ratio, propagates }: TracingOptions,
  { now }: Pick<Ports, "now">,
): StartSpan {
  // Of the 56 bits that W3C lets be random.
  const bound = ratio * 2 ** 52;
  return (call, tool, startedAt) => {
    const parent = propagates ? call.trace?.parent : undefined;
    const traceId = parent?.traceId ?? randomId(16);
    const chosen = parent?.sampled !== false && Number.parseInt(traceId.slice(-13), 16) < bound;
    if (!chosen) return createUnsampled(traceId, propagates);
    const link = linkTo(call.trace?.ambient);
    const span = tracer.startSpan(
      tool === undefined ? method : `${method} ${tool.labels.tool}`,
      {
        kind: SpanKind.SERVER,
        startTime: startedAt,
        attributes: describeCall(call, tool),
        links: link === undefined ? [] : [link],
      },
      parent === undefined ? ROOT_CONTEXT : contextOf(parent),
    );
    return createSampled(tracer, span, { propagates, now });
  };
}

const method = "tools/call";
const nothing = (): void => {};

function createUnsampled(traceId: string, propagates: boolean): CallSpan {
  const step = (): (() => void) => nothing;
  return {
    traceId,
    spanId: randomId(8),
    step,
    request: () => ({
      traceparent: propagates
        ? writeTraceparent({ traceId, spanId: randomId(8), sampled: false })
        : undefined,
      end: nothing,
    }),
    end: nothing,
  };
}

function createSampled(
  tracer: Tracer,
  span: Span,
  { propagates, now }: { readonly propagates: boolean; readonly now: () => number },
): CallSpan {
  const { traceId, spanId } = span.spanContext();
  const inside = api.setSpan(ROOT_CONTEXT, span);
  return {
    traceId,
    spanId,
    step(name) {
      const own = tracer.startSpan(name, { startTime: now() }, inside);
      return () => own.end(now());
    },
    request(tool, attempt) {
      const sent = tracer.startSpan(
        "upstream.request",
        { kind: SpanKind.CLIENT, startTime: now(), attributes: describeRequest(tool, attempt) },
        inside,
      );
      const { spanId: own } = sent.spanContext();
      return {
        traceparent: propagates
          ? writeTraceparent({ traceId, spanId: own, sampled: true })
          : undefined,
        end(status, reason) {
          const failed = status === undefined ? reason : status >= 400 ? String(status) : undefined;
          if (status !== undefined) sent.setAttribute(names.httpStatus, status);
          if (failed !== undefined) {
            sent.setAttribute(names.error, failed);
            sent.setStatus({ code: SpanStatusCode.ERROR });
          }
          sent.end(now());
        },
      };
    },
    end(end, { endedAt }) {
      const [error, code] = errorOf(end);
      if (error !== "") {
        span.setAttribute(names.error, error);
        if (code !== "") span.setAttribute(names.rpcStatus, code);
        span.setStatus({ code: SpanStatusCode.ERROR, message: end.reason ?? error });
      }
      span.end(Math.max(endedAt, now()));
    },
  };
}

function describeCall(call: RecordedCall, tool: ToolText | undefined): Attributes {
  const { transport, protocol, requestId, client } = call;
  return {
    [names.method]: method,
    [names.operation]: "execute_tool",
    [names.transport]: transport === "http" ? "tcp" : "pipe",
    ...(transport === "http" ? { [names.networkProtocol]: "http" } : {}),
    ...(tool === undefined ? {} : { [names.tool]: tool.labels.tool }),
    ...(protocol === undefined ? {} : { [names.protocol]: protocol.slice(0, 32) }),
    ...(requestId === undefined ? {} : { [names.requestId]: String(requestId).slice(0, 64) }),
    ...(client?.ip === undefined ? {} : { [names.clientAddress]: client.ip }),
  };
}

/** The template and never the path: that holds arguments. */
function describeRequest({ labels }: ToolText, attempt: number): Attributes {
  const [host = "", port] = labels.address.split(/:(?=\d+$)/);
  return {
    [names.httpMethod]: labels.method,
    [names.urlTemplate]: labels.path,
    [names.serverAddress]: host,
    ...(port === undefined ? {} : { [names.serverPort]: Number(port) }),
    ...(attempt > 1 ? { [names.resendCount]: attempt - 1 } : {}),
  };
}

function contextOf({ traceId, spanId }: TraceParent): Context {
  const remote = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return api.setSpanContext(ROOT_CONTEXT, remote);
}

function linkTo(ambient: TraceParent | undefined): Link | undefined {
  if (ambient === undefined) return undefined;
  const { traceId, spanId, sampled } = ambient;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return { context: { traceId, spanId, traceFlags, isRemote: true } };
}
