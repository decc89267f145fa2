import type { ServerResponse } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, type ServerContext } from "@modelcontextprotocol/server";
import { AuthError } from "../base/errors.ts";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Caller } from "./client.ts";
import { carryArguments, restoreChunk } from "./exact.ts";
import { encodeError } from "./encode.ts";
import { introductionIn } from "./errand.ts";
import { readModernCall } from "./modern-call.ts";
import { findDisagreement, type Disagreement } from "./param-headers.ts";
import { watchErrors } from "./refusals.ts";
import { InvalidStateError, type Pause } from "./request-state.ts";
import { createServer } from "./server.ts";
import type { EndpointSettings, McpExchange, McpService } from "./service.ts";
import { closeWhenStalled } from "./slow-reader.ts";

/** Whatever the hot lane does not take, by the SDK that knows every rule. */
export interface SdkLane {
  /** Before scopes and arguments are looked at, because the SDK leaves it to us. */
  readonly disagreementOf: (
    exchange: Omit<McpExchange, "response">,
    service: McpService,
  ) => Disagreement | undefined;
  /** @throws AuthError before anything was written. */
  readonly post: (exchange: McpExchange, caller: Caller, service: McpService) => Promise<void>;
  readonly toolsChanged: () => void;
  /** Clients that wait for changes at the moment. */
  readonly listening: () => number;
  /** Ends the streams of those; whatever else is under way goes on. */
  readonly close: () => Promise<void>;
}

export function createSdkLane(
  service: () => McpService,
  { info, maxListenStreams, introductions }: EndpointSettings,
  ports: Ports,
): SdkLane {
  const onerror = (error: Error): void =>
    ports.log.debug("mcp_rejected", { reason: error.message });
  const parts = {
    info,
    transport: "http" as const,
    service,
    caller: async (context: ServerContext) => stateOf(context).caller,
    opensPages: (caller: Caller) => introductions.opensPages(caller),
    pauseOf: async (_call: unknown, context: ServerContext) => stateOf(context).pause,
    onRecorded: (id: string | number, context: ServerContext) =>
      void stateOf(context).recorded.add(id),
  };
  const serve = (context: Parameters<typeof createServer>[1]): ReturnType<typeof createServer> =>
    createServer(parts, context, ports);
  const calls = createMcpHandler(serve, { onerror });
  // One of its own: closing it ends the streams with their result, and would end calls without.
  const streams = createMcpHandler(serve, { onerror, maxSubscriptions: maxListenStreams });
  const handleCall = toNodeHandler(calls, { onerror });
  const handleListen = toNodeHandler(streams, { onerror });
  let listening = 0;
  return {
    disagreementOf({ request: { headers }, body, principal }, now) {
      const call = now.hasParamHeaders ? readModernCall(headers, body) : undefined;
      return call && findDisagreement(now.paramHeaders(call.name, principal), call, headers);
    },
    async post({ request, response, body, principal }, caller, now) {
      const introduced = introductionIn(body);
      if (introduced !== undefined) introductions.note(caller, introduced);
      challengeMissingScopes(body, caller, now);
      const round = await readRound(body, caller, now);
      if (round.faultyId !== undefined) {
        refuseState(round.faultyId, response);
        return;
      }
      closeWhenStalled(response);
      const listens = isJsonObject(body) && body["method"] === "subscriptions/listen";
      if (listens) {
        // Who has gone already is not told to be gone again.
        if (response.destroyed) return;
        listening++;
        response.once("close", () => listening--);
      }
      const state: State = { caller, pause: round.pause, recorded: new Set() };
      restoreNumbersOf(response);
      watchErrors(response, (reason, id) => {
        if (state.recorded.has(id)) return;
        now.rejected({ ...caller, transport: "http", requestId: requestIdOf(id) }, reason);
      });
      const auth = {
        token: "",
        clientId: principal.clientId ?? "",
        scopes: [],
        extra: { state },
      };
      const message = carryArguments(body);
      const handle = listens ? handleListen : handleCall;
      // The adapter's own type of a request wants absent fields where Node has undefined ones.
      await handle(Object.assign(request, { auth }) as SdkRequest, response, message);
    },
    toolsChanged: () => streams.notify.toolsChanged(),
    listening: () => listening,
    close: () => streams.close(),
  };
}

function restoreNumbersOf(response: ServerResponse): void {
  const write = response.write.bind(response) as (chunk: unknown) => boolean;
  // The adapter gives it nothing but chunks.
  response.write = (chunk: unknown) => write(restoreChunk(chunk));
}

type SdkRequest = Parameters<ReturnType<typeof toNodeHandler>>[0];

interface State {
  readonly caller: Caller;
  /** Why the round before this one ended, if there was any. */
  readonly pause: Pause | undefined;
  /** Ids of requests that have their own record. */
  readonly recorded: Set<unknown>;
}

function stateOf(context: ServerContext): State {
  const state = context.http?.authInfo?.extra?.["state"];
  if (state === undefined) throw new TypeError("a request without caller");
  return state as State;
}

function requestIdOf(id: JsonValue | undefined): string | number | undefined {
  return typeof id === "string" || typeof id === "number" ? id : undefined;
}

/** One 403 for the whole POST, before its answer starts: inside the SDK it could be none. */
function challengeMissingScopes(body: JsonValue, caller: Caller, service: McpService): void {
  const messages = Array.isArray(body) ? (body as readonly JsonValue[]) : [body];
  const scopes = new Set<string>();
  for (const message of messages) {
    if (!isJsonObject(message) || message["method"] !== "tools/call") continue;
    const name = isJsonObject(message["params"]) ? message["params"]["name"] : undefined;
    if (typeof name !== "string") continue;
    const requestId = requestIdOf(message["id"]);
    const missing = service.missingScopes(name, { ...caller, transport: "http", requestId });
    for (const scope of missing ?? []) scopes.add(scope);
  }
  if (scopes.size > 0) {
    throw new AuthError("insufficient_scope", "tool_scope_missing", { scopes: [...scopes] });
  }
}

interface Round {
  readonly pause?: Pause;
  /** Of a request that does not bring what the round before gave it. */
  readonly faultyId?: string | number;
}

/**
 * The second round of a call brings what the first one gave it, or is refused before the SDK sees it.
 *
 * @throws AuthError `access_denied`
 */
async function readRound(
  body: JsonValue,
  caller: Caller,
  { requestState, rejected }: McpService,
): Promise<Round> {
  if (requestState === undefined || !isJsonObject(body)) return {};
  const { method, params } = body;
  const id = requestIdOf(body["id"]);
  if (method !== "tools/call" || !isJsonObject(params) || id === undefined) return {};
  const { requestState: state, name, arguments: args = {} } = params;
  if (typeof state !== "string" || typeof name !== "string" || !isJsonObject(args)) return {};
  try {
    const call = { principal: caller.principal, tool: name, args };
    return { pause: await requestState.accept(state, call) };
  } catch (error) {
    const foreign = error instanceof AuthError;
    if (!foreign && !(error instanceof InvalidStateError)) throw error;
    const reason = foreign ? error.reason : "invalid_request_state";
    rejected({ ...caller, transport: "http", requestId: id }, reason);
    if (foreign) throw error;
    return { faultyId: id };
  }
}

/** In the words of the SDK's own refusal. */
function refuseState(id: string | number, response: ServerResponse): void {
  const data = { reason: "invalid_request_state" };
  response.writeHead(400, { "content-type": "application/json" });
  response.end(encodeError(id, -32_602, "Invalid or expired requestState", data));
}
