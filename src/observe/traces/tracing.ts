import {
  createTraceState,
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
import type { CallEnd, CallTrace, Origin, RecordedCall } from "../record/event.ts";
import { errorOf } from "../operation-error.ts";
import type { ToolText } from "../record/text.ts";
import {
  randomId,
  writeTraceparent,
  type IncomingTrace,
  type TraceParent,
  type Verification,
} from "../trace-context.ts";

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
  /** For the request, name and value in turn: its own `traceparent`, and what goes on of the caller's. */
  readonly headers: readonly string[];
  /** @param reason Code of what went wrong when there is no answer. */
  readonly end: (status: number | undefined, reason: string | undefined) => void;
}

/** A list of tools in a trace. */
interface ListSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly end: () => void;
}

/** What is not sampled costs two ids. */
export interface Tracing {
  readonly startCall: (call: RecordedCall, tool: ToolText | undefined, now: number) => CallSpan;
  readonly startList: (origin: Origin) => ListSpan;
  /** Somebody was not believed: nothing else of their request will be in a trace. */
  readonly refused: (reason: string, verification: Verification) => void;
}

interface TracingOptions {
  /** Share of traces that are recorded, from 0 to 1. */
  readonly ratio: number;
  /** Whether callers' traces are continued, and APIs told. */
  readonly propagates: boolean;
  /** Whether APIs are told of callers' baggage. */
  readonly carries: boolean;
}

/**
 * Spans of the MCP conventions. A caller's choice is followed only where this gateway's own share
 * would have chosen the trace too: nobody can make it record more.
 */
export function createTracing(
  tracer: Tracer,
  { ratio, propagates, carries }: TracingOptions,
  { now }: Pick<Ports, "now">,
): Tracing {
  // Of the 56 bits that W3C lets be random.
  const bound = ratio * 2 ** 52;
  const isChosen = (traceId: string): boolean => Number.parseInt(traceId.slice(-13), 16) < bound;
  const parentOf = ({ trace }: Origin): TraceParent | undefined =>
    propagates ? trace?.parent : undefined;

  const startServer = (
    origin: Origin,
    name: string,
    what: { readonly attributes: Attributes; readonly startedAt: number },
  ): Span => {
    const { trace } = origin;
    const parent = parentOf(origin);
    const link = linkTo(trace?.ambient);
    const verification = trace?.verification;
    const span = tracer.startSpan(
      name,
      {
        kind: SpanKind.SERVER,
        // Who asks is found out before the request is read.
        startTime: verification?.startedAt ?? what.startedAt,
        attributes: what.attributes,
        links: link === undefined ? [] : [link],
      },
      parent === undefined ? ROOT_CONTEXT : contextOf(parent, trace?.state),
    );
    if (verification !== undefined)
      startVerify(verification, api.setSpan(ROOT_CONTEXT, span)).end(verification.endedAt);
    return span;
  };
  const startVerify = ({ startedAt }: Verification, context: Context): Span =>
    tracer.startSpan("auth.verify", { startTime: startedAt }, context);
  const passOn = createPassOn(propagates, carries);

  return {
    startCall(call, tool, startedAt) {
      const parent = parentOf(call);
      const traceId = parent?.traceId ?? randomId(16);
      const headersOf = passOn(call.trace);
      if (parent?.sampled === false || !isChosen(traceId))
        return createUnsampled(traceId, headersOf);
      const name = tool === undefined ? callMethod : `${callMethod} ${tool.labels.tool}`;
      const span = startServer(call, name, { attributes: describeCall(call, tool), startedAt });
      return createSampled(tracer, span, { headersOf, now });
    },
    startList(origin) {
      const parent = parentOf(origin);
      const traceId = parent?.traceId ?? randomId(16);
      if (parent?.sampled === false || !isChosen(traceId))
        return { traceId, spanId: randomId(8), end: nothing };
      const attributes = describe(listMethod, origin);
      const span = startServer(origin, listMethod, { attributes, startedAt: now() });
      const { traceId: own, spanId } = span.spanContext();
      return { traceId: own, spanId, end: () => span.end(now()) };
    },
    refused(reason, verification) {
      // Of its own: what the request says of traces is in a body that nobody read.
      if (!isChosen(randomId(16))) return;
      const span = startVerify(verification, ROOT_CONTEXT);
      span.setAttribute(names.error, reason);
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(verification.endedAt);
    },
  };
}

const callMethod = "tools/call";
const listMethod = "tools/list";
const nothing = (): void => {};

/** Headers of one request to an API, whose own span this is. */
type HeadersOf = (own: TraceParent) => readonly string[];

function createPassOn(
  propagates: boolean,
  carries: boolean,
): (trace: IncomingTrace | undefined) => HeadersOf {
  const plain: HeadersOf = propagates
    ? (own) => ["traceparent", writeTraceparent(own)]
    : () => nothingMore;
  return (trace) => {
    const state = propagates ? trace?.state : undefined;
    const baggage = carries ? trace?.baggage : undefined;
    if (state === undefined && baggage === undefined) return plain;
    const more = [
      ...(state === undefined ? [] : ["tracestate", state]),
      ...(baggage === undefined ? [] : ["baggage", baggage]),
    ];
    return (own) => [...plain(own), ...more];
  };
}

const nothingMore: readonly string[] = [];

function createUnsampled(traceId: string, headersOf: HeadersOf): CallSpan {
  const step = (): (() => void) => nothing;
  return {
    traceId,
    spanId: randomId(8),
    step,
    request: () => ({
      headers: headersOf({ traceId, spanId: randomId(8), sampled: false }),
      end: nothing,
    }),
    end: nothing,
  };
}

function createSampled(
  tracer: Tracer,
  span: Span,
  { headersOf, now }: { readonly headersOf: HeadersOf; readonly now: () => number },
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
        headers: headersOf({ traceId, spanId: own, sampled: true }),
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
  return {
    ...describe(callMethod, call),
    [names.operation]: "execute_tool",
    ...(tool === undefined ? {} : { [names.tool]: tool.labels.tool }),
  };
}

function describe(method: string, origin: Origin): Attributes {
  const { transport, protocol, requestId, client } = origin;
  return {
    [names.method]: method,
    [names.transport]: transport === "http" ? "tcp" : "pipe",
    ...(transport === "http" ? { [names.networkProtocol]: "http" } : {}),
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

function contextOf({ traceId, spanId }: TraceParent, state: string | undefined): Context {
  const remote = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return api.setSpanContext(
    ROOT_CONTEXT,
    state === undefined ? remote : { ...remote, traceState: createTraceState(state) },
  );
}

function linkTo(ambient: TraceParent | undefined): Link | undefined {
  if (ambient === undefined) return undefined;
  const { traceId, spanId, sampled } = ambient;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return { context: { traceId, spanId, traceFlags, isRemote: true } };
}
