import type { ServerResponse } from "node:http";
import { createCancellation } from "../base/cancel.ts";
import { AuthError, type Errand, UnknownToolError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { Call } from "../call/call.ts";
import type { BlockReply, Reply } from "../upstream/reply/reply.ts";
import type { Caller } from "./client.ts";
import { createEncoder, encodeError, encodeProgress } from "./encode.ts";
import type { HotRequest } from "./envelope.ts";
import {
  elicitationOf,
  elicitationRequired,
  inputRequired,
  type Introductions,
  opensPages,
} from "./errand.ts";
import { openEventStream, type EventStream } from "./event-stream.ts";
import type { McpService, ServerInfo } from "./service.ts";
import { closeWhenStalled } from "./slow-reader.ts";

/**
 * Answers a well-formed `tools/call` or `tools/list` on the raw response.
 *
 * @throws AuthError before anything was written: the HTTP room turns it into 401 or 403.
 */
export type HotLane = (
  request: HotRequest,
  caller: Caller,
  service: McpService,
  response: ServerResponse,
) => Promise<void>;

/** @param introductions Of clients of the 2025 era. */
export function createHotLane(
  info: ServerInfo,
  introductions: Introductions,
  ports: Ports,
): HotLane {
  const encoders = {
    legacy: createEncoder("legacy", info),
    modern: createEncoder("modern", info),
  };

  /** The person has to visit a page first: as the client can be told. */
  const encodeErrand = (
    reply: BlockReply & { readonly errand: Errand },
    { request, call, service }: Paused,
  ): string => {
    const { era, id, capabilities } = request;
    const { errand } = reply;
    if (era === "modern" && opensPages(capabilities) && service.requestState !== undefined) {
      const { principal, tool, args } = call;
      const state = service.requestState.issue({ principal, tool, args });
      return encoders.modern.inputRequired(id, inputRequired(errand, state));
    }
    if (era === "legacy" && introductions.opensPages(call)) {
      const data = { elicitations: [{ ...elicitationOf(errand) }] };
      return encodeError(id, elicitationRequired, errand.reason, data);
    }
    return encoders[era].call(id, reply);
  };

  const encodeReply = (reply: Reply, paused: Paused): string | Buffer => {
    const { era, id } = paused.request;
    if (reply.json !== undefined) return encoders[era].json(id, reply.json);
    const { errand } = reply;
    return errand === undefined
      ? encoders[era].call(id, reply)
      : encodeErrand({ ...reply, errand }, paused);
  };

  return async (request, caller, service, response) => {
    const encoder = encoders[request.era];
    const { id } = request;
    if (request.method === "tools/list") {
      sendPieces(
        response,
        encoder.list(
          id,
          service.listTools({ ...caller, transport: "http", requestId: id }, request.era),
        ),
      );
      return;
    }
    const { era, progressToken, name, args } = request;
    let stream: EventStream | undefined;
    const onProgress =
      progressToken === undefined
        ? undefined
        : (progress: Parameters<typeof encodeProgress>[1]): void => {
            stream ??= openEventStream(response);
            stream.send(encodeProgress(progressToken, progress));
          };
    // Closing the response is how the 2026 era cancels; in the 2025 era it means nothing.
    const cancel = era === "modern" ? createCancellation() : undefined;
    if (cancel) response.on("close", cancel.cancel);
    let message: string | Buffer;
    try {
      const call: Call = {
        tool: name,
        args,
        principal: caller.principal,
        transport: "http",
        protocol: caller.protocol,
        requestId: id,
        client: caller.client,
        trace: caller.trace,
        cancel,
        onProgress,
      };
      const reply = await service.callTool(call);
      message = encodeReply(reply, { request, call, service });
    } catch (error) {
      if (error instanceof AuthError && stream === undefined) throw error;
      message = encodeFault(id, error, ports);
    }
    if (cancel?.cancelled) return;
    if (stream) stream.finish(message.toString());
    else send(response, message);
  };
}

function encodeFault(id: string | number, error: unknown, ports: Ports): string {
  if (error instanceof UnknownToolError) return encodeError(id, -32602, error.message);
  ports.log.error("internal_error", {}, error);
  return encodeError(id, -32603, "Internal error");
}

function send(response: ServerResponse, message: string | Buffer): void {
  const length = Buffer.byteLength(message);
  response.writeHead(200, ["content-type", "application/json", "content-length", `${length}`]);
  response.end(message);
  // Most answers are with the system by now.
  if (response.writableLength > 0) closeWhenStalled(response);
}

function sendPieces(
  response: ServerResponse,
  [head, list, tail]: readonly [string, Uint8Array, string],
): void {
  const length = Buffer.byteLength(head) + list.length + Buffer.byteLength(tail);
  response.writeHead(200, ["content-type", "application/json", "content-length", `${length}`]);
  response.cork();
  response.write(head);
  response.write(list);
  response.end(tail);
  response.uncork();
  if (response.writableLength > 0) closeWhenStalled(response);
}

/** A call whose answer is an errand. */
interface Paused {
  readonly request: HotRequest;
  readonly call: Call;
  readonly service: McpService;
}
