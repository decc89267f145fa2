import { isJsonObject, type JsonValue } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import { clientOf, protocolOf, type Caller } from "./client.ts";
import { acceptRequest, type HotRequest } from "./envelope.ts";
import { createHotLane } from "./hot-lane.ts";
import { findDisagreement, refuseDisagreement, type Disagreement } from "./param-headers.ts";
import type { SdkLane } from "./sdk-lane.ts";
import type { EndpointSettings, McpExchange, McpService } from "./service.ts";

export interface McpEndpoint {
  /** @throws AuthError before anything was written. */
  readonly post: (exchange: McpExchange) => Promise<void>;
  /** Loads what the first unusual request would wait for. */
  readonly warm: () => Promise<void>;
  /** Tells every client that listens. */
  readonly toolsChanged: () => void;
  /** Clients that listen at the moment. */
  readonly listening: () => number;
  /** Ends the streams of clients that listen, with their result; whatever else is under way goes on. */
  readonly close: () => Promise<void>;
}

/**
 * MCP over Streamable HTTP in both eras: the hot lane for the common, the SDK for the rest.
 *
 * @param accept What the hot lane takes; only a test that compares the lanes names another.
 */
export function createMcpEndpoint(
  service: () => McpService,
  settings: EndpointSettings,
  ports: Ports,
  accept: typeof acceptRequest = acceptRequest,
): McpEndpoint {
  const hotLane = createHotLane(settings.info, settings.introductions, ports);
  let loading: Promise<SdkLane> | undefined;
  let loaded: SdkLane | undefined;
  // Slow to load, and most requests never need it.
  const sdkLane = (): Promise<SdkLane> => {
    loading ??= import("./sdk-lane.ts").then(
      ({ createSdkLane }) => (loaded = createSdkLane(service, settings, ports)),
    );
    return loading;
  };
  const refuse = (
    found: Disagreement,
    caller: Caller,
    now: McpService,
    response: McpExchange["response"],
  ): void => {
    now.rejected({ ...caller, transport: "http", requestId: found.id }, "header_mismatch");
    refuseDisagreement(found, response);
  };
  const postUnusual = async (
    exchange: McpExchange,
    caller: Caller,
    now: McpService,
  ): Promise<void> => {
    const lane = await sdkLane();
    const found = lane.disagreementOf(exchange, now);
    if (found === undefined) await lane.post(exchange, caller, now);
    else refuse(found, caller, now, exchange.response);
  };
  return {
    // Not async itself: a promise of its own for every usual request would only hand on another.
    post(exchange) {
      const { request, response, body, principal, ip } = exchange;
      const now = service();
      const caller: Caller = {
        principal,
        client: clientOf(request, body, ip),
        protocol: protocolOf(request),
        trace: now.readTrace?.(paramsOf(body), request),
      };
      const hot = accept(request.headers, body);
      if (hot === undefined) return postUnusual(exchange, caller, now);
      const found = compareHeaders(hot, exchange, now);
      if (found === undefined) return hotLane(hot, caller, now, response);
      refuse(found, caller, now, response);
      return Promise.resolve();
    },
    async warm() {
      await sdkLane();
    },
    toolsChanged() {
      // Nobody listens to a lane that was never asked.
      void loading?.then((lane) => lane.toolsChanged());
    },
    listening: () => loaded?.listening() ?? 0,
    async close() {
      await (await loading)?.close();
    },
  };
}

function paramsOf(body: JsonValue): JsonValue | undefined {
  return isJsonObject(body) ? body["params"] : undefined;
}

/** Before scopes and arguments are looked at. */
function compareHeaders(
  hot: HotRequest,
  { request: { headers }, principal }: McpExchange,
  service: McpService,
): Disagreement | undefined {
  if (!service.hasParamHeaders || hot.era === "legacy" || hot.method === "tools/list")
    return undefined;
  return findDisagreement(service.paramHeaders(hot.name, principal), hot, headers);
}
