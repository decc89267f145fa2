import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticate } from "../auth/authenticate.ts";
import type { Principal } from "../base/principal.ts";
import type { Edge } from "./edge.ts";

export type HandleRequest = (request: IncomingMessage, response: ServerResponse) => void;

/** What one MCP path does with a usual POST. */
export interface Shortcut {
  readonly maxRequestBytes: number;
  /** Of the snapshot of this moment. */
  readonly edge: () => Edge;
  readonly authenticate: () => Authenticate;
  readonly onBelieved: () => void;
  readonly serve: (message: Message) => void;
}

/** One POST of a caller who is believed. */
export interface Message {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly principal: Principal;
  readonly body: Buffer;
}

/**
 * Serves the POST that nearly every request is: exact path, plain JSON whose length is known, no
 * browser, a token that is known, a body that came with its head. Nothing is refused here: whatever
 * is not as usual, right or wrong, goes the long way, which has every rule.
 *
 * @param shortcuts By path; without them every request goes the long way.
 */
export function takeShortcuts(
  shortcuts: ReadonlyMap<string, Shortcut>,
  longWay: HandleRequest,
): HandleRequest {
  const run = (request: IncomingMessage, response: ServerResponse, shortcut: Shortcut): void => {
    // Together with the head in one packet, or not yet.
    const isWhole = request.readableLength === Number(request.headers["content-length"]);
    const principal = isWhole ? recognize(shortcut, request) : undefined;
    const body = principal && (request.read() as Buffer | null);
    if (!principal || !body) {
      longWay(request, response);
      return;
    }
    shortcut.onBelieved();
    shortcut.serve({ request, response, principal, body });
  };
  return (request, response) => {
    const shortcut = request.method === "POST" ? shortcuts.get(request.url ?? "") : undefined;
    // The body is parsed after this returns.
    if (shortcut && isUsual(request, shortcut)) process.nextTick(run, request, response, shortcut);
    else longWay(request, response);
  };
}

function isUsual({ headers }: IncomingMessage, { maxRequestBytes }: Shortcut): boolean {
  return (
    headers["content-type"] === "application/json" &&
    Number(headers["content-length"]) <= maxRequestBytes &&
    headers["content-encoding"] === undefined &&
    headers["transfer-encoding"] === undefined &&
    headers.origin === undefined
  );
}

/** undefined also for who is refused: that is told once, by the long way. */
function recognize(
  { edge, authenticate }: Shortcut,
  { rawHeaders, socket }: IncomingMessage,
): Principal | undefined {
  if (!edge().acceptsHost(rawHeaders)) return undefined;
  try {
    return authenticate().known(rawHeaders, undefined, socket);
  } catch {
    return undefined;
  }
}
