import type { IncomingMessage, ServerResponse } from "node:http";
import type { HandleRequest } from "./shortcut.ts";

/** What every request meets before anything of it is looked at. */
export interface Gate {
  readonly sheds: () => boolean;
  /** The listener is about to close: whoever asks again should ask somebody else. */
  readonly draining: () => boolean;
  /** Counts one and tells in how many milliseconds one more is let in; undefined: nobody counts. */
  readonly takeAddress: () => ((address: string) => number) | undefined;
  readonly onShed: (request: IncomingMessage) => void;
  readonly onLimited: (request: IncomingMessage) => void;
}

/** Room for all, and a moment for who comes again at once. */
const shedRetryMs = 1_000;

export function guard(gate: Gate, handle: HandleRequest): HandleRequest {
  return (request, response) => {
    if (gate.draining()) response.shouldKeepAlive = false;
    if (gate.sheds()) {
      gate.onShed(request);
      refuse(response, { status: 503, error: "overloaded", waitMs: shedRetryMs });
      return;
    }
    const take = gate.takeAddress();
    const waitMs = take === undefined ? 0 : take(networkOf(request.socket.remoteAddress ?? ""));
    if (waitMs > 0) {
      gate.onLimited(request);
      refuse(response, { status: 429, error: "rate_limited", waitMs });
      return;
    }
    handle(request, response);
  };
}

function refuse(
  response: ServerResponse,
  answer: { readonly status: number; readonly error: string; readonly waitMs: number },
): void {
  const { status, error, waitMs } = answer;
  const retryAfter = String(Math.max(1, Math.ceil(waitMs / 1_000)));
  response
    .writeHead(status, { "content-type": "application/json", "retry-after": retryAfter })
    .end(JSON.stringify({ error }));
}

/** An IPv4 address; of an IPv6 one the /64, which is what one site has at the least. */
export function networkOf(address: string): string {
  const bare = address.split("%", 1)[0] ?? "";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!bare.includes(":")) return bare;
  const [head = "", tail] = bare.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length);
  const all = [...groups, ...Array.from({ length: zeros }, () => "0"), ...rest];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
