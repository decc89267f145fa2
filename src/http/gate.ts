import type { IncomingMessage, ServerResponse } from "node:http";
import { networkOf } from "../base/network.ts";
import type { AddressOf } from "./forwarded.ts";
import { closeWith } from "./queued-reply.ts";
import type { HandleRequest } from "./shortcut.ts";

/** What every request meets before anything of it is looked at. */
export interface Gate {
  readonly sheds: () => boolean;
  /** The listener is about to close: whoever asks again should ask somebody else. */
  readonly draining: () => boolean;
  /** Counts one and tells in how many milliseconds one more is let in; undefined: nobody counts. */
  readonly takeAddress: () => ((address: string) => number) | undefined;
  /** Who asks, be it through a proxy. */
  readonly addressOf: () => AddressOf;
  readonly onShed: (request: IncomingMessage) => void;
  readonly onLimited: (request: IncomingMessage) => void;
}

/** Room for all, and a moment for who comes again at once. */
const shedRetryMs = 1_000;

export function guard(gate: Gate, handle: HandleRequest): HandleRequest {
  return (request, response) => {
    if (response.socket === null) closeWith(request.socket, response);
    if (gate.draining()) response.shouldKeepAlive = false;
    if (gate.sheds()) {
      gate.onShed(request);
      refuse(response, { status: 503, error: "overloaded", waitMs: shedRetryMs });
      return;
    }
    const take = gate.takeAddress();
    const waitMs = take === undefined ? 0 : take(networkOf(gate.addressOf()(request) ?? ""));
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
