import { hash } from "node:crypto";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { errors, Pool, type Dispatcher } from "undici";
import type { CancelSignal } from "../base/cancel.ts";
import { CallError } from "../base/errors.ts";
import { createDeadlines, type Deadlines, type Due } from "./deadlines.ts";
import { SendError } from "./send-error.ts";
import type { ResponseHeaders, WireRequest, WireResponse } from "./request/message.ts";
import { startTaking, type TakeBody, type Taking } from "./taken-body.ts";

export interface SendLimits {
  /** For the whole exchange, connecting included. */
  readonly timeoutMs: number;
  /** From sending to the head of the answer. */
  readonly headersMs: number;
  /** Between two pieces of its body. */
  readonly idleMs: number;
  /** Of the response body after decompression. */
  readonly maxBytes: number;
}

/** What a caller may see of an answer while it arrives. */
export interface Watch {
  readonly cancel: CancelSignal | undefined;
  /** Decides from the head whether `onChunk` wants the body as it comes. */
  readonly onHead?: (status: number, contentType: string) => ((chunk: Buffer) => void) | undefined;
  /** undefined: every body is held whole. */
  readonly takeBody?: TakeBody | undefined;
}

/**
 * @throws CallError `upstream_timeout`, `upstream_too_large`, `upstream_unreachable`, `upstream_tls`,
 *   `upstream_protocol`, `cancelled`. Messages name no host. Where trying again may be safe it is a
 *   `SendError`.
 */
export type Send = (
  request: WireRequest,
  limits: SendLimits,
  watch: Watch,
) => Promise<WireResponse>;

/** One pool of connections per origin; outlives reloads. Redirects are never followed. */
export interface Upstreams {
  /**
   * @param origin E.g. `http://courses.internal:8080`.
   * @param connectMs For a connection to be there, without TLS.
   * @param ca PEM of the only authorities to trust; undefined: those that Node trusts.
   */
  readonly to: (origin: string, connectMs: number, ca?: string) => Send;
  /** Ends every exchange under way as cancelled, and those to come. @returns How many there were. */
  readonly abort: () => number;
  readonly close: () => Promise<void>;
}

/** A handshake takes longer than a connection. */
const tlsMs = 3_000;
/** undici's own timers tick in steps of about a second: they only clean up after ours. */
const undiciSlackMs = 1_000;

export function createUpstreams(): Upstreams {
  const pools = new Map<string, Pool>();
  const deadlines = createDeadlines(() => performance.now());
  const poolOf = (origin: string, connectMs: number, ca: string | undefined): Pool => {
    // Other authorities, other connections: none that the old ones vouched for is used again.
    const key = `${connectMs} ${ca === undefined ? "" : hash("sha256", ca)} ${origin}`;
    const known = pools.get(key);
    if (known) return known;
    const pool = new Pool(origin, {
      // As many as calls are let in: who waits here would wait unseen.
      connections: null,
      pipelining: 1,
      connect: { timeout: connectMs + undiciSlackMs, ...(ca === undefined ? {} : { ca }) },
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveMaxTimeout: 30_000,
    });
    pools.set(key, pool);
    return pool;
  };
  return {
    to: (origin, connectMs, ca) => {
      const totalMs = origin.startsWith("https:") ? connectMs + tlsMs : connectMs;
      const line = { pool: poolOf(origin, totalMs, ca), connectMs: totalMs, deadlines };
      return (request, limits, watch) => exchange(line, request, limits, watch);
    },
    abort: deadlines.stopAll,
    async close() {
      const all = [...pools.values()];
      pools.clear();
      await Promise.all(all.map((pool) => pool.destroy()));
      deadlines.close();
    },
  };
}

interface Line {
  readonly pool: Pool;
  readonly connectMs: number;
  readonly deadlines: Deadlines;
}

const largeBytes = 131_072;

/** Of an answer that was passed on while it came. */
const taken = Buffer.alloc(0);

/** More of them are no progress but an attack (RFC 9110 §15.2 sets no bound). */
const maxInformational = 10;

function exchange(
  { pool, connectMs, deadlines }: Line,
  request: WireRequest,
  { timeoutMs, headersMs, idleMs, maxBytes }: SendLimits,
  watch: Watch,
): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    const { cancel, takeBody } = watch;
    if (cancel?.cancelled) {
      reject(new CallError("cancelled", "The call was cancelled."));
      return;
    }
    let controller: Dispatcher.DispatchController | undefined;
    let settled = false;
    let phase: Phase = "connect";
    const startedAt = deadlines.now();
    const totalAt = startedAt + timeoutMs;
    /** @returns Whether this is how it ended. */
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      deadlines.remove(due);
      forget?.();
      return true;
    };
    const fail = (error: CallError): void => {
      if (settle()) reject(error);
      controller?.abort(error);
    };
    const due: Due = {
      at: Math.min(totalAt, startedAt + connectMs),
      slot: undefined,
      expire(why) {
        if (why === "stopped") {
          const stage = stages[phase];
          fail(new SendError("cancelled", "The gateway is stopping.", { stage }));
          return;
        }
        if (taking?.waits() === true) {
          fail(
            new CallError("cancelled", `The answer was not taken within ${timeoutMs / 1000} s.`),
          );
          return;
        }
        const whole = deadlines.now() >= totalAt;
        const spent = { connect: connectMs, head: headersMs, body: idleMs }[phase];
        fail(whole ? overdue("total", timeoutMs, phase) : overdue(phase, spent, phase));
      },
    };
    const enter = (next: Phase, ms: number): void => {
      phase = next;
      due.at = Math.min(totalAt, deadlines.now() + ms);
    };
    const forget = cancel?.onCancel(() =>
      fail(new CallError("cancelled", "The call was cancelled.")),
    );
    deadlines.add(due);
    if (settled) return;
    const chunks: Buffer[] = [];
    /** Of a large body whose length is known: its pieces need not be held beside it. */
    let whole: Buffer | undefined;
    let size = 0;
    let status = 0;
    let informational = 0;
    let headers: ResponseHeaders = new Map();
    let onChunk: ((chunk: Buffer) => void) | undefined;
    let taking: Taking | undefined;
    pool.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers as string[],
        body: request.body ?? null,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (settled) started.abort(new CallError("cancelled", "The call was cancelled."));
          else enter("head", headersMs);
        },
        onResponseStart(flowing, statusCode, fields) {
          if (statusCode < 200) {
            if (++informational > maxInformational) fail(protocolFault(undefined));
            return;
          }
          enter("body", idleMs);
          status = statusCode;
          headers = viewHeaders(fields);
          if (headers.get("content-encoding") === undefined) {
            onChunk = watch.onHead?.(status, headers.get("content-type") ?? "");
          }
          // To HEAD it tells how large a body would be that is not sent (RFC 9110 §8.6).
          if (request.method === "HEAD") return;
          const length = Number(headers.get("content-length") ?? 0);
          if (length > maxBytes) {
            fail(tooLarge(maxBytes));
            return;
          }
          taking =
            takeBody &&
            startTaking(
              takeBody,
              { status, headers, length, chunks },
              {
                pause() {
                  due.at = totalAt;
                  flowing.pause();
                },
                resume() {
                  enter("body", idleMs);
                  flowing.resume();
                },
                fail,
                finish(rest) {
                  if (settle()) resolve({ status, headers, body: taken, rest });
                  flowing.abort(new CallError("cancelled", "The rest is not wanted."));
                },
              },
            );
          // What is not written is not resident, whatever an API says and does not send.
          if (taking === undefined && length > largeBytes) whole = Buffer.allocUnsafeSlow(length);
        },
        onResponseData(_, chunk) {
          enter("body", idleMs);
          size += chunk.length;
          if (size > maxBytes) {
            if (taking?.overflow() !== true) fail(tooLarge(maxBytes));
            return;
          }
          if (taking?.push(chunk) === true) return;
          if (whole === undefined) chunks.push(chunk);
          else chunk.copy(whole, size - chunk.length);
          onChunk?.(chunk);
        },
        onResponseEnd() {
          const rest = taking?.end();
          if (rest !== undefined) {
            if (settle()) resolve({ status, headers, body: taken, rest });
            return;
          }
          const body = whole?.subarray(0, size) ?? joined(chunks, size);
          if (settle()) resolve(decoded({ status, headers, body }, maxBytes));
        },
        onResponseError(_, error) {
          if (settle()) reject(translate(error, phase));
        },
      },
    );
  });
}

/** Most bodies come in one piece. */
function joined(chunks: readonly Buffer[], size: number): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first ? first : Buffer.concat(chunks, size);
}

/** What the exchange waits for. */
type Phase = "connect" | "head" | "body";

const stages = { connect: "unsent", head: "sent", body: "answered" } as const;

function overdue(what: Phase | "total", ms: number, phase: Phase): SendError {
  const stage = stages[phase];
  const time = `${ms / 1000} s`;
  if (phase === "connect") {
    const message = `The API could not be reached within ${time}.`;
    return new SendError("upstream_unreachable", message, { stage });
  }
  const message =
    what === "body"
      ? `The API stopped in the middle of its answer for ${time}.`
      : `The API did not answer within ${time}.`;
  return new SendError("upstream_timeout", message, { stage });
}

/** Most of them are never looked at. */
function viewHeaders(
  fields: Readonly<Record<string, string | string[] | undefined>>,
): ResponseHeaders {
  return {
    get(name) {
      const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/** Most answers come as they are. */
function decoded(response: WireResponse, maxBytes: number): WireResponse | Promise<WireResponse> {
  const { headers, body } = response;
  const coding = headers.get("content-encoding");
  if (coding === undefined || coding === "identity" || body.length === 0) return response;
  return decompress(coding, body, maxBytes).then((plain) => ({ ...response, body: plain }));
}

type Decoder = (
  body: Buffer,
  options: { readonly maxOutputLength: number },
  done: (error: Error | null, result: Buffer) => void,
) => void;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", gunzip],
  ["x-gzip", gunzip],
  ["deflate", inflateEither],
  ["br", brotliDecompress],
]);

/** Some servers leave out the zlib header of RFC 1950, which RFC 9110 §8.4.1.2 asks for. */
function inflateEither(...[body, options, done]: Parameters<Decoder>): void {
  const first = body[0] ?? 0;
  const decode = (first & 0x0f) === 8 ? inflate : inflateRaw;
  decode(body, options, done);
}

/** One coding only: a chain of them is no answer to a request that asked for none. */
function decompress(coding: string, body: Buffer, maxBytes: number): Promise<Buffer> {
  const decode = decoders.get(coding.trim().toLowerCase());
  return new Promise((resolve, reject) => {
    if (decode === undefined) {
      reject(new CallError("upstream_protocol", "The API answered in an unknown content coding."));
      return;
    }
    decode(body, { maxOutputLength: maxBytes }, (error, result) => {
      if (error === null) resolve(result);
      else if ("code" in error && error.code === "ERR_BUFFER_TOO_LARGE") reject(tooLarge(maxBytes));
      else reject(protocolFault(error));
    });
  });
}

function tooLarge(maxBytes: number): CallError {
  return new CallError(
    "upstream_too_large",
    `The answer is larger than ${maxBytes} bytes. Ask for less: a smaller page, fewer fields, a narrower filter.`,
  );
}

function protocolFault(cause: Error | undefined): CallError {
  return new CallError("upstream_protocol", "The API's answer was not valid HTTP.", { cause });
}

const protocolCodes = new Set([
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_RESPONSE",
]);

/** OpenSSL's verdicts on a certificate, as Node names them, and Node's own and TLS's. */
const tlsCode = /^(?:ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|UNABLE_TO_|.*SELF_SIGNED_CERT|.*_CA$)/;

const broken = {
  connect: "The API could not be reached.",
  head: "The API closed the connection before it answered.",
  body: "The API broke off in the middle of its answer.",
} as const;

function translate(error: Error, phase: Phase): CallError {
  if (error instanceof CallError) return error;
  const code = "code" in error ? String(error.code) : "";
  // undici's parser names its codes in the message only.
  const unreadable = error instanceof errors.HTTPParserError;
  if (unreadable || protocolCodes.has(code)) return protocolFault(error);
  if (tlsCode.test(code)) {
    const message = "The API's certificate is not accepted, or it speaks no TLS that is.";
    return new CallError("upstream_tls", message, { cause: error });
  }
  const options = { cause: error, stage: stages[phase] };
  return new SendError("upstream_unreachable", broken[phase], options);
}
