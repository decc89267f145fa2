import {
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type CallToolResult,
  type McpRequestContext,
  type ServerContext,
  UrlElicitationRequiredError,
} from "@modelcontextprotocol/server";
import { createCancellation, type CancelSignal } from "../base/cancel.ts";
import { AuthError, UnknownToolError } from "../base/errors.ts";
import { parseExactly, readCarried } from "../base/exact-number.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Call } from "../call/call.ts";
import { type BlockReply, blocksOf } from "../upstream/reply/reply.ts";
import type { Caller } from "./client.ts";
import { projectStructured, untrusted } from "./encode.ts";
import { consentOf } from "./agreement.ts";
import { elicitationOf, isDeclined, opensPages } from "./errand.ts";
import { inputRequired } from "./input-required.ts";
import type { Pause } from "./request-state.ts";
import { listTtlMs, type Era, type McpService, type ServerInfo } from "./service.ts";

export interface ServerParts {
  readonly info: ServerInfo;
  readonly transport: "http" | "stdio";
  readonly service: () => McpService;
  /** Who a request of this instance speaks for. */
  readonly caller: (context: ServerContext) => Promise<Caller>;
  /** Whether this client of the 2025 era can ask its person to open a page. */
  readonly opensPages: (caller: Caller, server: Server) => boolean;
  /** Why the round before ended, when this is another one of a call; the state is used up. */
  readonly pauseOf: (
    call: Pick<Call, "tool" | "args">,
    context: ServerContext,
  ) => Promise<Pause | undefined>;
  /** This request has, or will have, its own record in the audit log. */
  readonly onRecorded: (id: string | number, context: ServerContext) => void;
}

/**
 * An SDK server whose handlers call what the hot lane calls. One per request over HTTP, one per
 * connection over stdio.
 */
export function createServer(
  parts: ServerParts,
  { era }: Pick<McpRequestContext, "era">,
  ports: Ports,
): Server {
  const { info, transport } = parts;
  // A stateless client of the 2025 era has no stream on which it could be told.
  const listChanged = era === "modern" || transport === "stdio";
  const server = new Server(info, {
    capabilities: { tools: { listChanged } },
    cacheHints: {
      "tools/list": { ttlMs: listTtlMs, cacheScope: "private" },
      "server/discover": { ttlMs: listTtlMs, cacheScope: "public" },
    },
  });
  server.setRequestHandler("tools/list", (request, context) =>
    guarded(ports, async () => {
      if (request.params?.cursor !== undefined) throw invalidParams("Invalid cursor");
      const caller = await parts.caller(context);
      const origin = {
        ...caller,
        transport,
        requestId: context.mcpReq.id,
        ...(transport === "stdio" ? { trace: traceOf(parts.service(), request.params) } : {}),
      };
      parts.onRecorded(context.mcpReq.id, context);
      const list = parts.service().listTools(origin, era);
      return { tools: JSON.parse(Buffer.from(list).toString()) as [] };
    }),
  );
  server.setRequestHandler("tools/call", (request, context) =>
    guarded(ports, async () => {
      const { name, arguments: args = {}, _meta: meta } = request.params;
      const what = { tool: name, args: readCarried(args as JsonObject) };
      const { inputResponses } = context.mcpReq;
      const asks = era === "modern" || transport === "stdio";
      const capabilities = asks ? capabilitiesOf(context, server) : undefined;
      const call = {
        ...what,
        consent: consentOf(await parts.pauseOf(what, context), inputResponses, capabilities),
        transport,
        requestId: context.mcpReq.id,
        // A disconnect is no cancel in the stateless 2025 era: what was sent runs to its end.
        cancel: listChanged ? fromAbortSignal(context.mcpReq.signal) : undefined,
        onProgress: reportProgress(meta?.progressToken, context),
        // Over HTTP the caller has it, with what the headers say.
        ...(transport === "stdio" ? { trace: traceOf(parts.service(), request.params) } : {}),
      };
      const result = await callTool(parts, call, { era, context, server });
      return isInputRequiredResult(result)
        ? result
        : server.projectCallToolResult(result, undefined);
    }),
  );
  return server;
}

function traceOf({ readTrace }: McpService, params: object | undefined): Call["trace"] {
  return readTrace?.(params as JsonObject | undefined, undefined);
}

async function callTool(
  parts: ServerParts,
  call: Omit<Call, keyof Caller>,
  { era, context, server }: Answering,
): Promise<CallToolResult | InputRequiredResult> {
  try {
    const caller = await parts.caller(context);
    parts.onRecorded(context.mcpReq.id, context);
    const service = parts.service();
    const whole = { ...call, ...caller };
    const reply = blocksOf(await service.callTool(whole));
    const { errand, question } = reply;
    const declined = errand !== undefined && isDeclined(context.mcpReq.inputResponses);
    if (declined) return toResult(reply, era);
    if (era === "legacy" && errand !== undefined && parts.opensPages(caller, server))
      throw new UrlElicitationRequiredError([{ ...elicitationOf(errand) }], errand.reason);
    const { requestState } = service;
    // What has a question came from who can ask it; a page is another matter.
    const asks =
      question !== undefined || (era === "modern" && opensPages(capabilitiesOf(context, server)));
    const required = asks && requestState && inputRequired(reply, whole, requestState);
    // Its type wants the `elicitationId` of the 2025 era.
    return required ? (required as unknown as InputRequiredResult) : toResult(reply, era);
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    // No HTTP status can say it here: the model tells its user.
    return { content: [{ type: "text", text: describeRefusal(error) }], isError: true };
  }
}

interface Answering {
  readonly era: Era;
  readonly context: ServerContext;
  readonly server: Server;
}

/** In the 2026 era every request says them; before, the first one of a connection. */
function capabilitiesOf({ mcpReq }: ServerContext, server: Server): JsonValue | undefined {
  const envelope = mcpReq.envelope as JsonObject | undefined;
  return (
    envelope?.[CLIENT_CAPABILITIES_META_KEY] ??
    (server.getClientCapabilities() as JsonObject | undefined)
  );
}

function describeRefusal(error: AuthError): string {
  if (error.code !== "insufficient_scope")
    return "The gateway does not accept this login any more.";
  return `This tool needs a login with the scopes ${error.scopes.join(" ")}.`;
}

function toResult(reply: BlockReply, era: Era): CallToolResult {
  const { content, structured, isError } = reply;
  const meta = metaOf(reply);
  return {
    content: content as CallToolResult["content"],
    ...(structured === undefined
      ? {}
      : { structuredContent: parseExactly(projectStructured(structured, era)) }),
    ...(isError ? { isError } : {}),
    ...(meta === undefined ? {} : { _meta: meta }),
  };
}

function metaOf({ isOwn, retryAfter }: BlockReply): CallToolResult["_meta"] {
  if (isOwn && retryAfter === undefined) return undefined;
  return {
    ...(isOwn ? {} : { [untrusted]: true }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  };
}

/** The SDK shows the text of a thrown Error to the client: only what is meant for it may pass. */
async function guarded<T>(ports: Ports, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    if (error instanceof UnknownToolError) throw invalidParams(error.message);
    if (error instanceof AuthError) throw invalidParams(describeRefusal(error));
    ports.log.error("internal_error", {}, error);
    throw new ProtocolError(ProtocolErrorCode.InternalError, "Internal error");
  }
}

export function invalidParams(message: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}

function reportProgress(token: JsonValue | undefined, context: ServerContext): Call["onProgress"] {
  if (typeof token !== "string" && typeof token !== "number") return undefined;
  return ({ progress, total, message }) => {
    const params = {
      progressToken: token,
      progress,
      ...(total === undefined ? {} : { total }),
      ...(message === undefined ? {} : { message }),
    };
    // A client that has gone away does not stop the call.
    context.mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
  };
}

function fromAbortSignal(signal: AbortSignal): CancelSignal {
  const cancellation = createCancellation();
  if (signal.aborted) cancellation.cancel();
  else signal.addEventListener("abort", () => cancellation.cancel(), { once: true });
  return cancellation;
}
