import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { errors, Pool, type Dispatcher } from "undici";
import type { CancelSignal } from "../base/cancel.ts";
import { CallError } from "../base/errors.ts";
import type { WireRequest, WireResponse } from "./message.ts";

export interface SendLimits {
  /** For the whole exchange, from the first byte sent to the last received. */
  readonly timeoutMs: number;
  /** Of the response body after decompression. */
  readonly maxBytes: number;
}

/** What a caller may see of an answer while it arrives. */
export interface Watch {
  readonly cancel: CancelSignal | undefined;
  /** Decides from the head whether `onChunk` wants the body as it comes. */
  readonly onHead?: (status: number, contentType: string) => ((chunk: Buffer) => void) | undefined;
}

/**
 * @throws CallError `upstream_timeout`, `upstream_too_large`, `upstream_unreachable`,
 *   `upstream_protocol`, `cancelled`. Messages name no host.
 */
export type Send = (
  request: WireRequest,
  limits: SendLimits,
  watch: Watch,
) => Promise<WireResponse>;

/** One pool of connections per origin; outlives reloads. Redirects are never followed. */
export interface Upstreams {
  /** @param origin E.g. `http://courses.internal:8080`. */
  readonly to: (origin: string) => Send;
  readonly close: () => Promise<void>;
}

const connectTimeoutMs = 2_000;

export function createUpstreams(): Upstreams {
  const pools = new Map<string, Pool>();
  const poolOf = (origin: string): Pool => {
    const known = pools.get(origin);
    if (known) return known;
    const pool = new Pool(origin, {
      connections: 128,
      pipelining: 1,
      connect: { timeout: connectTimeoutMs },
      // Deadlines are our own: undici's timers tick in steps of about a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveMaxTimeout: 30_000,
    });
    pools.set(origin, pool);
    return pool;
  };
  return {
    to: (origin) => {
      const pool = poolOf(origin);
      return (request, limits, watch) => send(pool, request, limits, watch);
    },
    async close() {
      const all = [...pools.values()];
      pools.clear();
      await Promise.all(all.map((pool) => pool.destroy()));
    },
  };
}

async function send(
  pool: Pool,
  request: WireRequest,
  limits: SendLimits,
  watch: Watch,
): Promise<WireResponse> {
  const raw = await exchange(pool, request, limits, watch);
  const coding = raw.headers.get("content-encoding");
  if (coding === undefined || coding === "identity" || raw.body.length === 0) return raw;
  return { ...raw, body: await decompress(coding, raw.body, limits.maxBytes) };
}

function exchange(
  pool: Pool,
  request: WireRequest,
  { timeoutMs, maxBytes }: SendLimits,
  watch: Watch,
): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    const { cancel } = watch;
    if (cancel?.cancelled) {
      reject(new CallError("cancelled", "The call was cancelled."));
      return;
    }
    let controller: Dispatcher.DispatchController | undefined;
    let settled = false;
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      forget?.();
      finish();
    };
    const fail = (error: CallError): void => {
      settle(() => reject(error));
      controller?.abort(error);
    };
    const deadline = setTimeout(() => {
      const seconds = timeoutMs / 1000;
      fail(new CallError("upstream_timeout", `The API did not answer within ${seconds} s.`));
    }, timeoutMs);
    const forget = cancel?.onCancel(() =>
      fail(new CallError("cancelled", "The call was cancelled.")),
    );
    const chunks: Buffer[] = [];
    let size = 0;
    let status = 0;
    let headers: ReadonlyMap<string, string> = new Map();
    let onChunk: ((chunk: Buffer) => void) | undefined;
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
        },
        onResponseStart(_, statusCode, fields) {
          if (statusCode < 200) return;
          status = statusCode;
          headers = readHeaders(fields);
          if (!headers.has("content-encoding")) {
            onChunk = watch.onHead?.(status, headers.get("content-type") ?? "");
          }
          // To HEAD it tells how large a body would be that is not sent (RFC 9110 §8.6).
          if (request.method === "HEAD") return;
          if (Number(headers.get("content-length") ?? 0) > maxBytes) fail(tooLarge(maxBytes));
        },
        onResponseData(_, chunk) {
          size += chunk.length;
          if (size > maxBytes) {
            fail(tooLarge(maxBytes));
            return;
          }
          chunks.push(chunk);
          onChunk?.(chunk);
        },
        onResponseEnd() {
          const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
          settle(() => resolve({ status, headers, body }));
        },
        onResponseError(_, error) {
          settle(() => reject(translate(error)));
        },
      },
    );
  });
}

function readHeaders(
  fields: Readonly<Record<string, string | string[] | undefined>>,
): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined)
      headers.set(name, typeof value === "string" ? value : value.join(", "));
  }
  return headers;
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

function protocolFault(cause: Error): CallError {
  return new CallError("upstream_protocol", "The API's answer was not valid HTTP.", { cause });
}

const protocolCodes = new Set([
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_RESPONSE",
]);

function translate(error: Error): CallError {
  if (error instanceof CallError) return error;
  const code = "code" in error ? String(error.code) : "";
  // undici's parser names its codes in the message only.
  const unreadable = error instanceof errors.HTTPParserError;
  if (unreadable || protocolCodes.has(code)) return protocolFault(error);
  return new CallError("upstream_unreachable", "The API could not be reached.", { cause: error });
}
