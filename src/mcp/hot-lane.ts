import type { ServerResponse } from "node:http";
import { createCancellation } from "../base/cancel.ts";
import { AuthError, UnknownToolError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { Call } from "../call/call.ts";
import type { Consent } from "../call/consent.ts";
import type { BlockReply, Reply } from "../upstream/reply/reply.ts";
import { cannotAsk, notAsked, showsForms } from "./agreement.ts";
import type { Caller } from "./client.ts";
import { createEncoder, encodeError, encodeProgress, type Latin1 } from "./encode.ts";
import type { HotRequest } from "./envelope.ts";
import { elicitationOf, elicitationRequired, type Introductions, opensPages } from "./errand.ts";
import { openEventStream, type EventStream } from "./event-stream.ts";
import { inputRequired } from "./input-required.ts";
import { createReplyStream, wholeReply } from "./reply-stream.ts";
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

  /** The person has to do something first: as the client can be told. */
  const encodePause = (reply: BlockReply, { request, call, service }: Paused): string => {
    const { era, id, capabilities } = request;
    const { errand, question } = reply;
    const { requestState } = service;
    if (era === "legacy" && errand !== undefined && introductions.opensPages(call)) {
      const data = { elicitations: [{ ...elicitationOf(errand) }] };
      return encodeError(id, elicitationRequired, errand.reason, data);
    }
    const asks = era === "modern" && (question !== undefined || opensPages(capabilities));
    const required = asks && requestState && inputRequired(reply, call, requestState);
    return required ? encoders.modern.inputRequired(id, required) : encoders[era].call(id, reply);
  };

  const encodeReply = (reply: Reply, paused: Paused): Message => {
    const { era, id } = paused.request;
    if (reply.json !== undefined) return encoders[era].json(id, reply.json);
    return reply.errand === undefined && reply.question === undefined
      ? encoders[era].call(id, reply)
      : encodePause(reply, paused);
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
    const text = takesText(request, service)
      ? createReplyStream(id, encoder.streamed, response)
      : wholeReply;
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
    let message: Message;
    try {
      const call: Call = {
        tool: name,
        args,
        consent: consentOf(request, service),
        principal: caller.principal,
        transport: "http",
        protocol: caller.protocol,
        requestId: id,
        client: caller.client,
        trace: caller.trace,
        cancel,
        onProgress,
        openText: text.open,
      };
      const reply = await service.callTool(call);
      if (text.finish(reply)) return;
      message = encodeReply(reply, { request, call, service });
    } catch (error) {
      if (error instanceof AuthError && stream === undefined) throw error;
      message = encodeFault(id, error, ports);
      if (text.finish(broken)) return;
    }
    if (cancel?.cancelled) return;
    if (stream) stream.finish(textOf(message));
    else send(response, message);
  };
}

type Message = string | Latin1 | readonly Buffer[];

function textOf(message: Message): string {
  if (typeof message === "string") return message;
  const bytes =
    "latin1" in message ? Buffer.from(message.latin1, "latin1") : Buffer.concat(message);
  return bytes.toString();
}

/** Where no call ever asks for input it does not matter. */
function consentOf({ era, capabilities }: HotRequest, { requestState }: McpService): Consent {
  return era === "modern" && requestState !== undefined && showsForms(capabilities)
    ? notAsked
    : cannotAsk;
}

/** Progress goes over an event stream, and the result after it. */
function takesText({ progressToken }: HotRequest, { streamsText }: McpService): boolean {
  return streamsText && progressToken === undefined;
}

/** Where a reply had begun, its fault can no longer be JSON-RPC's. */
const broken: Reply = {
  content: [{ type: "text", text: "Internal error" }],
  structured: undefined,
  isError: true,
};

function encodeFault(id: string | number, error: unknown, ports: Ports): string {
  if (error instanceof UnknownToolError) return encodeError(id, -32602, error.message);
  ports.log.error("internal_error", {}, error);
  return encodeError(id, -32603, "Internal error");
}

function send(response: ServerResponse, message: Message): void {
  if (typeof message === "string") sendText(response, message, "utf8");
  else if ("latin1" in message) sendText(response, message.latin1, "latin1");
  else sendPieces(response, message);
}

/** Node writes a text together with its head, where bytes would be a second piece. */
function sendText(response: ServerResponse, text: string, encoding: "utf8" | "latin1"): void {
  const length = Buffer.byteLength(text, encoding);
  response.writeHead(200, ["content-type", "application/json", "content-length", `${length}`]);
  response.end(text, encoding);
  // Most answers are with the system by now.
  if (response.writableLength > 0) closeWhenStalled(response);
}

function sendPieces(response: ServerResponse, pieces: readonly (string | Uint8Array)[]): void {
  let length = 0;
  for (const piece of pieces) length += Buffer.byteLength(piece);
  response.writeHead(200, ["content-type", "application/json", "content-length", `${length}`]);
  response.cork();
  for (const piece of pieces) response.write(piece);
  response.end();
  response.uncork();
  if (response.writableLength > 0) closeWhenStalled(response);
}

/** A call that may wait for its person. */
interface Paused {
  readonly request: HotRequest;
  readonly call: Call;
  readonly service: McpService;
}
