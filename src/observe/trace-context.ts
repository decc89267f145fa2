import { randomFillSync } from "node:crypto";
import { isJsonObject, type JsonValue } from "../base/json.ts";

/** W3C Trace Context: whose work this is a part of. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** When somebody was found to be who they are, where that took asking or computing. */
export interface Verification {
  /** ms since the epoch */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** What a request says about the traces it belongs to. */
export interface IncomingTrace {
  /** From `params._meta` (SEP-414): the one this call continues. */
  readonly parent: TraceParent | undefined;
  /** What other vendors say of that parent; nothing without one (W3C Trace Context §3.3.1.3). */
  readonly state: string | undefined;
  /** From the HTTP request; only named. */
  readonly ambient: TraceParent | undefined;
  /** From `params._meta`: what of it may go on to APIs. */
  readonly baggage: string | undefined;
  readonly verification: Verification | undefined;
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

const vendor =
  /^[a-z0-9](?:[a-z0-9_\-*/]{0,255}|[a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

/** W3C Trace Context §3.3: all of it, or nothing when a part of it is wrong. */
function readTracestate(text: unknown): string | undefined {
  if (typeof text !== "string" || text.length > 512) return undefined;
  const members = text.split(",").flatMap((member) => member.trim() || []);
  const right = members.length <= 32 && members.every((member) => vendor.test(member));
  return right && members.length > 0 ? members.join(",") : undefined;
}

const item = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*([!#-+\--:<-[\]-~]*)$/;

/** W3C Baggage §3.2. Callers write what they like there: the names on the list go on, without properties. */
function readBaggage(text: unknown, allowed: ReadonlySet<string>): string | undefined {
  if (allowed.size === 0 || typeof text !== "string" || text.length > 8_192) return undefined;
  const kept = text.split(",").flatMap((member) => {
    const [, name = "", value = ""] = item.exec(member.split(";", 1)[0]?.trim() ?? "") ?? [];
    return allowed.has(name) ? [`${name}=${value}`] : [];
  });
  return kept.length === 0 ? undefined : kept.join(",");
}

/** The caller and the way to them, apart from JSON-RPC. */
interface Around {
  /** `traceparent` of the HTTP request. */
  readonly header: unknown;
  readonly verification: Verification | undefined;
}

/**
 * @param allowed Names of baggage that goes on to APIs.
 * @returns Reads it from `params` of a JSON-RPC request.
 */
export function compileReadIncoming(
  allowed: ReadonlySet<string>,
): (params: JsonValue | undefined, around: Around) => IncomingTrace {
  return (params, { header, verification }) => {
    const found = isJsonObject(params) ? params["_meta"] : undefined;
    const meta = isJsonObject(found) ? found : {};
    const parent = readTraceparent(meta["traceparent"]);
    return {
      parent,
      state: parent && readTracestate(meta["tracestate"]),
      ambient: readTraceparent(header),
      baggage: readBaggage(meta["baggage"], allowed),
      verification,
    };
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
