import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonValue } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import type { Origin } from "../observe/record/event.ts";
import type { IncomingTrace } from "../observe/trace-context.ts";
import type { CallTool } from "../call/call.ts";
import type { ParamHeader } from "../tools/tool.ts";
import type { Introductions } from "./errand.ts";
import type { RequestState } from "./request-state.ts";

/** What both lanes serve: one snapshot of the gateway. A request keeps the one it started with. */
export interface McpService {
  /**
   * What a request says about the traces it belongs to; undefined: nobody asked for traces.
   *
   * @param request undefined over stdio.
   */
  readonly readTrace:
    | ((params: JsonValue | undefined, request: IncomingMessage | undefined) => IncomingTrace)
    | undefined;
  readonly callTool: CallTool;
  /** The `tools` array that this caller may see, as JSON bytes; the same bytes for the same set. */
  readonly listTools: (origin: Origin, era: Era) => Uint8Array;
  /** Records a request that the protocol itself refuses. */
  readonly rejected: (origin: Origin, reason: string) => void;
  /** False for most gateways, whose requests are then not looked at for these headers. */
  readonly hasParamHeaders: boolean;
  /** Arguments that this caller must repeat as headers; none for a tool that is not shown to them. */
  readonly paramHeaders: (tool: string, principal: Principal) => readonly ParamHeader[];
  /** Whether a reply may begin before the answer of its API is whole. */
  readonly streamsText: boolean;
  /** undefined: no call ever asks for input. */
  readonly requestState: RequestState | undefined;
  /** Every scope the tool needs when this caller lacks one; undefined otherwise. */
  readonly missingScopes: (tool: string, origin: Origin) => readonly string[] | undefined;
}

export type Era = "legacy" | "modern";

/** Name and version in `serverInfo`. */
export interface ServerInfo {
  readonly name: string;
  readonly version: string;
}

/** One authenticated POST. The response is this room's to write. */
export interface McpExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Parsed JSON. */
  readonly body: JsonValue;
  readonly principal: Principal;
  /** Whose request it is; undefined: the connection is gone. */
  readonly ip: string | undefined;
}

/** What is the same for as long as an endpoint lives. */
export interface EndpointSettings {
  readonly info: ServerInfo;
  /** Of clients of the 2025 era, whichever listener they came to. */
  readonly introductions: Introductions;
  /** Clients that listen for changes: one more gets a JSON-RPC error. */
  readonly maxListenStreams: number;
}

/** How long a client may keep a list, in milliseconds; changes are pushed to those that listen. */
export const listTtlMs = 300_000;

export const modernVersion = "2026-07-28";

/** Handshake revisions that a client may name in `MCP-Protocol-Version`. */
export const legacyVersions: ReadonlySet<string> = new Set([
  "2025-11-25",
  "2025-06-18",
  "2025-03-26",
  "2024-11-05",
  "2024-10-07",
]);
