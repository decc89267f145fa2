import { CallError } from "../base/errors.ts";
import type { WireRequest, WireResponse } from "./request/message.ts";
import type { Send } from "./send.ts";

export interface RedirectRules {
  /** Where the first request goes, e.g. `http://courses.internal:8080`. */
  readonly origin: string;
  /** Other hosts that may be asked, each with its port unless it is the default one. */
  readonly allowedHosts: readonly string[];
  readonly to: (origin: string) => Send;
}

interface Hop {
  readonly origin: string;
  readonly request: WireRequest;
}

const maxHops = 3;
/** RFC 9110 §15.4; 304 is about a copy, 300 leaves a choice, 305 is a hole. */
const statuses = new Set([301, 302, 303, 307, 308]);
const safeMethods = new Set(["GET", "HEAD"]);
/** What says nothing about the caller: all that goes to another origin. */
const harmless = new Set(["accept", "accept-encoding", "user-agent"]);

/**
 * Follows redirects of GET and HEAD within the origin and to allowed hosts, at most three. What may
 * not be followed is the answer: its text tells the Location.
 */
export function followRedirects(send: Send, rules: RedirectRules, now: () => number): Send {
  const allowed = new Set(rules.allowedHosts);
  return async (first, limits, watch) => {
    const deadline = now() + limits.timeoutMs;
    let hop: Hop = { origin: rules.origin, request: first };
    let response = await send(first, limits, watch);
    for (let count = 0; count < maxHops; count++) {
      const next = follow(hop, response, allowed);
      if (next === undefined) break;
      const timeoutMs = deadline - now();
      if (timeoutMs <= 0) {
        const seconds = limits.timeoutMs / 1000;
        throw new CallError("upstream_timeout", `The API did not answer within ${seconds} s.`);
      }
      hop = next;
      response = await rules.to(hop.origin)(hop.request, { ...limits, timeoutMs }, watch);
    }
    return response;
  };
}

function follow(
  { origin, request }: Hop,
  { status, headers }: WireResponse,
  allowed: ReadonlySet<string>,
): Hop | undefined {
  const location = headers.get("location");
  if (location === undefined || !statuses.has(status)) return undefined;
  if (!safeMethods.has(request.method) || request.body !== undefined) return undefined;
  const base = origin + request.path;
  if (!URL.canParse(location, base)) return undefined;
  const url = new URL(location, base);
  if (url.username !== "" || url.password !== "") return undefined;
  const path = url.pathname + url.search;
  if (url.origin === origin) return { origin, request: { ...request, path } };
  const weaker = origin.startsWith("https:") && url.protocol !== "https:";
  const web = url.protocol === "https:" || url.protocol === "http:";
  if (!web || weaker || !allowed.has(url.host)) return undefined;
  const kept = request.headers.filter((_, i) => harmless.has(request.headers[i - (i % 2)] ?? ""));
  return { origin: url.origin, request: { ...request, path, headers: kept } };
}
