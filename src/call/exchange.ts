import { CallError, type CallCode } from "../base/errors.ts";
import type { Ending } from "../limits/circuit.ts";
import type { CallTrace } from "../observe/record/event.ts";
import type { CallSpan } from "../observe/traces/tracing.ts";
import type { Again } from "../upstream/reply/pages.ts";
import type { WireRequest, WireResponse } from "../upstream/request/message.ts";
import type { CredentialParts } from "../upstream/request/request.ts";
import { SendError } from "../upstream/send-error.ts";
import type { Send, SendLimits, Watch } from "../upstream/send.ts";
import type { TakeBody } from "../upstream/taken-body.ts";
import type { Call } from "./call.ts";
import { pause } from "./pause.ts";
import { createProgress } from "./progress.ts";
import type { Route } from "./route.ts";

/** What one exchange is about. */
export interface Sending {
  readonly call: Call;
  readonly route: Route;
  readonly trace: CallTrace;
  readonly span: CallSpan | undefined;
  readonly build: (credential: CredentialParts) => WireRequest;
  readonly announce: () => Promise<void>;
  /** Takes a large answer while it arrives; undefined: it is held whole. */
  readonly takeBody: TakeBody | undefined;
}

/**
 * One request, and again while that is safe and may help. Once more with a fresh credential when the
 * API refuses the one it got: a 401 says that nothing was done, so this is safe for every method.
 */
export async function exchange(sending: Sending, now: () => number): Promise<WireResponse> {
  const { route, call, trace, span } = sending;
  const { principal, cancel } = call;
  const cached = route.credential.get(principal, cancel);
  let credential = cached instanceof Promise ? await obtained(cached, span) : cached;
  const key = route.idempotencyKey?.();
  let request = withKey(sending.build(credential), key);
  if (route.unsafe) await sending.announce();
  const { send, watch, limits, deadline } = startAttempts(sending, now());
  let bounds = limits;
  let isFresh = false;
  for (let failures = 1; ; failures++) {
    const admitted = route.circuit?.admit() ?? 0;
    trace.attempts++;
    // Of an attempt without an answer the record does not tell that of the one before it.
    trace.status = undefined;
    let happened: WireResponse | SendError;
    try {
      happened = await send(request, bounds, watch);
      noteAnswer(sending, happened.status, admitted, now());
      if (happened.status < 400) return happened;
    } catch (error) {
      happened = noteFailure(sending, error, admitted, now());
    }
    const waitMs = againAfter(route, happened, failures, deadline - now());
    if (waitMs !== undefined) await pause(waitMs, cancel);
    else {
      if (happened instanceof SendError) throw withAdvice(route, happened);
      if (happened.status !== 401) return happened;
      const canRenew = route.credential.invalidate(principal, credential);
      if (isFresh) throw unauthorized();
      if (!canRenew) return happened;
      credential = await obtained(route.credential.get(principal, cancel), span);
      request = withKey(sending.build(credential), key);
      isFresh = true;
      failures = 0;
      route.retry?.earn();
    }
    bounds = { ...limits, timeoutMs: Math.max(1, deadline - now()) };
  }
}

interface Attempts {
  readonly send: Send;
  readonly watch: Watch;
  readonly limits: SendLimits;
  /** For all of them. */
  readonly deadline: number;
}

function startAttempts(sending: Sending, moment: number): Attempts {
  const { route, call, trace, span, takeBody } = sending;
  const { cancel, onProgress } = call;
  if (trace.attempts === 0) trace.sentAt = moment;
  route.retry?.earn();
  const limits = limitsAt(moment, sending);
  return {
    send: span === undefined ? route.send : tracedSend(route, trace, span),
    watch: onProgress ? { cancel, onHead: createProgress(onProgress) } : { cancel, takeBody },
    limits,
    deadline: moment + limits.timeoutMs,
  };
}

function noteAnswer(
  { route, trace }: Sending,
  status: number,
  admitted: number,
  moment: number,
): void {
  trace.status = status;
  trace.answeredAt = moment;
  route.circuit?.record(status >= 500 ? "failed" : "ok", admitted, moment);
}

/** @throws What happened, when it is not for another attempt to mend. */
function noteFailure(
  { route }: Sending,
  error: unknown,
  admitted: number,
  moment: number,
): SendError {
  route.circuit?.record(endingOf(error), admitted, moment);
  if (!(error instanceof SendError)) throw withAdvice(route, error);
  return error;
}

const doubt = "It may have taken effect: check that before you repeat the call.";

/**
 * With what to do next. Whether a call that may change something has done so when its answer fails,
 * nobody knows; any other that ended because the gateway stops is tried again elsewhere.
 */
function withAdvice({ unsafe }: Route, error: unknown): unknown {
  if (!(error instanceof CallError)) return error;
  const { code, message, cause } = error;
  const wasStopped = error instanceof SendError && code === "cancelled";
  if (unsafe && mayHaveArrived(error)) return new CallError(code, `${message} ${doubt}`, { cause });
  return wasStopped ? new CallError(code, `${message} Try again.`, { cause }) : error;
}

/** Whether the API may have the request. */
function mayHaveArrived(error: CallError): boolean {
  if (error instanceof SendError) return error.stage !== "unsent";
  return error.code === "upstream_too_large" || error.code === "upstream_protocol";
}

function unauthorized(): CallError {
  return new CallError(
    "upstream_unauthorized",
    "The API refused the gateway's credential, and a fresh one as well. Trying again does not help now.",
  );
}

async function obtained(
  parts: CredentialParts | Promise<CredentialParts>,
  span: CallSpan | undefined,
): Promise<CredentialParts> {
  const end = span?.step("token.exchange");
  try {
    return await parts;
  } finally {
    end?.();
  }
}

/** The API's own spans become a part of this call. What a caller set itself stays. */
function withTrace(request: WireRequest, more: readonly string[]): WireRequest {
  const { headers } = request;
  const isSet = (name: string | undefined): boolean =>
    headers.some((text, i) => i % 2 === 0 && text === name);
  if (isSet("traceparent")) return request;
  // Of each pair the name says whether both stay.
  const added = more.filter((_, i) => !isSet(more[i - (i % 2)]));
  return { ...request, headers: [...headers, ...added] };
}

/** Each request in a span of its own, which the API is told of. */
function tracedSend({ send, text }: Route, trace: CallTrace, span: CallSpan): Send {
  return async (request, limits, watch) => {
    const sent = span.request(text, trace.attempts);
    try {
      const whole = sent.headers.length === 0 ? request : withTrace(request, sent.headers);
      const response = await send(whole, limits, watch);
      sent.end(response.status, undefined);
      return response;
    } catch (error) {
      sent.end(undefined, error instanceof CallError ? error.code : "internal_error");
      throw error;
    }
  };
}

/** What opened the circuit says more than that it is open. */
function againAfter(
  { circuit, retry }: Route,
  happened: WireResponse | SendError,
  failures: number,
  leftMs: number,
): number | undefined {
  if (retry === undefined || (circuit !== undefined && circuit.state() !== "closed"))
    return undefined;
  const waitMs = retry.waitMs(happened, failures, leftMs);
  if (waitMs !== undefined) {
    retry.onRetry(happened instanceof SendError ? happened.code : String(happened.status));
  }
  return waitMs;
}

/** What tells nothing about the API is of no account to the circuit. */
const endings: Partial<Record<CallCode, Ending>> = {
  upstream_unreachable: "unreachable",
  upstream_tls: "unreachable",
  upstream_timeout: "failed",
  upstream_protocol: "failed",
  upstream_too_large: "ok",
};

function endingOf(error: unknown): Ending {
  return (error instanceof CallError ? endings[error.code] : undefined) ?? "unknown";
}

export function withKey(
  request: WireRequest,
  key: readonly [name: string, value: string] | undefined,
): WireRequest {
  return key === undefined ? request : { ...request, headers: [...request.headers, ...key] };
}

/** Those of the route, or what is left of the call's time where that is less. */
function limitsAt(moment: number, { route, trace }: Sending): SendLimits {
  const { limits, callTimeoutMs } = route;
  const left = trace.startedAt + callTimeoutMs - moment;
  return left >= limits.timeoutMs ? limits : { ...limits, timeoutMs: Math.max(1, left) };
}

/** For further pages: the deadline is that of the whole call, and only the first reports progress. */
export function askAgain(sending: Sending, now: () => number): Again {
  const { route, call } = sending;
  const deadline = now() + route.limits.timeoutMs;
  return (values) => {
    const limits = { ...route.limits, timeoutMs: Math.max(1, deadline - now()) };
    return exchange(
      {
        ...sending,
        route: { ...route, limits },
        call: { ...call, onProgress: undefined },
        build: (credential) => route.build(values, credential),
        // The first page was announced, and with it the others.
        announce: async () => {},
      },
      now,
    );
  };
}
