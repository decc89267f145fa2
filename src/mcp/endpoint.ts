import type { IncomingMessage, ServerResponse } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, type ServerContext } from "@modelcontextprotocol/server";
import { AuthError } from "../base/errors.ts";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import { clientOf, protocolOf, type Caller } from "./client.ts";
import { acceptRequest, type HotRequest } from "./envelope.ts";
import { createHotLane } from "./hot-lane.ts";
import {
  findDisagreement,
  readModernCall,
  refuseDisagreement,
  type Disagreement,
} from "./param-headers.ts";
import { watchErrors } from "./refusals.ts";
import { createServer } from "./server.ts";
import type { McpService, ServerInfo } from "./service.ts";

/** One authenticated POST. The response is this room's to write. */
export interface McpExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Parsed JSON. */
  readonly body: JsonValue;
  readonly principal: Principal;
}

export interface McpEndpoint {
  /** @throws AuthError before anything was written. */
  readonly post: (exchange: McpExchange) => Promise<void>;
  /** Tells every client that listens. */
  readonly toolsChanged: () => void;
  /** Ends the streams of clients that listen, with their result. */
  readonly close: () => Promise<void>;
}

/** What is the same for as long as an endpoint lives. */
interface EndpointSettings {
  readonly info: ServerInfo;
  /** Clients that listen for changes: one more gets a JSON-RPC error. */
  readonly maxListenStreams: number;
}

/**
 * MCP over Streamable HTTP in both eras: the hot lane for the common, the SDK for the rest.
 *
 * @param accept What the hot lane takes; only a test that compares the lanes names another.
 */
export function createMcpEndpoint(
  service: () => McpService,
  { info, maxListenStreams }: EndpointSettings,
  ports: Ports,
  accept: typeof acceptRequest = acceptRequest,
): McpEndpoint {
  const hotLane = createHotLane(info, ports);
  const onerror = (error: Error): void =>
    ports.log.debug("mcp_rejected", { reason: error.message });
  const parts = {
    info,
    transport: "http" as const,
    service,
    caller: async (context: ServerContext) => stateOf(context).caller,
    onRecorded: (id: string | number, context: ServerContext) =>
      void stateOf(context).recorded.add(id),
  };
  const handler = createMcpHandler((context) => createServer(parts, context, ports), {
    onerror,
    maxSubscriptions: maxListenStreams,
  });
  const sdkLane = toNodeHandler(handler, { onerror });
  return {
    async post({ request, response, body, principal }) {
      const now = service();
      const caller: Caller = {
        principal,
        client: clientOf(request, body),
        protocol: protocolOf(request),
      };
      const hot = accept(request.headers, body);
      const disagreement = compareHeaders({ request, body, principal }, hot, now);
      if (disagreement !== undefined) {
        now.rejected(
          { ...caller, transport: "http", requestId: disagreement.id },
          "header_mismatch",
        );
        refuseDisagreement(disagreement, response);
        return;
      }
      if (hot) {
        await hotLane(hot, caller, now, response);
        return;
      }
      challengeMissingScopes(body, caller, now);
      const state: State = { caller, recorded: new Set() };
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
      // The adapter's own type of a request wants absent fields where Node has undefined ones.
      await sdkLane(Object.assign(request, { auth }) as SdkRequest, response, body);
    },
    toolsChanged: () => handler.notify.toolsChanged(),
    close: () => handler.close(),
  };
}

/** Before scopes and arguments are looked at, on both lanes, because the SDK leaves it to us. */
function compareHeaders(
  { request, body, principal }: Omit<McpExchange, "response">,
  hot: HotRequest | undefined,
  service: McpService,
): Disagreement | undefined {
  if (!service.hasParamHeaders) return undefined;
  const { headers } = request;
  if (hot?.era === "legacy" || hot?.method === "tools/list") return undefined;
  const call = hot ?? readModernCall(headers, body);
  if (call === undefined) return undefined;
  return findDisagreement(service.paramHeaders(call.name, principal), call, headers);
}

type SdkRequest = Parameters<ReturnType<typeof toNodeHandler>>[0];

interface State {
  readonly caller: Caller;
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
