import { randomFillSync } from "node:crypto";
import { isJsonObject, type JsonValue } from "../base/json.ts";

/** W3C Trace Context: whose work this is a part of. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** What a request says about the traces it belongs to. */
export interface IncomingTrace {
  /** From `params._meta` (SEP-414): the one this call continues. */
  readonly parent: TraceParent | undefined;
  /** From the HTTP request; only named. */
  readonly ambient: TraceParent | undefined;
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** undefined for whatever is not one: an invalid parent is no parent. */
function readTraceparent(text: unknown): TraceParent | undefined {
  if (typeof text !== "string" || text.length > 256) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = form.exec(text) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) {
    return undefined;
  }
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** @param params Of the JSON-RPC request. */
export function readIncoming(params: JsonValue | undefined, header: unknown): IncomingTrace {
  const meta = isJsonObject(params) ? params["_meta"] : undefined;
  return {
    parent: readTraceparent(isJsonObject(meta) ? meta["traceparent"] : undefined),
    ambient: readTraceparent(header),
  };
}

export function writeTraceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`;
}

const pool = Buffer.alloc(4_096);
let used = pool.length;

/** @param bytes 16 for a trace, 8 for a span. */
export function randomId(bytes: 8 | 16): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString("hex", used - bytes, used);
}
