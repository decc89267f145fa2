import { PassThrough, type Readable, type Writable } from "node:stream";
import type {
  JSONRPCMessage,
  RequestId,
  Server,
  ServerContext,
} from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { AuthError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import type { Call } from "../call/call.ts";
import type { Caller } from "./client.ts";
import { carryInput, restoreOutput } from "./exact-stdio.ts";
import { opensPages } from "./errand.ts";
import { InvalidStateError, type Pause } from "./request-state.ts";
import { createServer, invalidParams } from "./server.ts";
import type { McpService, ServerInfo } from "./service.ts";

export interface StdioEndpoint {
  readonly toolsChanged: () => void;
  /** Resolves when the client has closed its end, and everything it had said has been read. */
  readonly closed: Promise<void>;
  /** Resolves when every request that was read has its answer. */
  readonly answered: () => Promise<void>;
  /** Requests that were read and have no answer. */
  readonly pending: () => number;
  readonly close: () => Promise<void>;
}

/** One message may be this large. */
const maxBufferSize = 4_194_304;

/**
 * MCP over standard input and output, both eras.
 *
 * @param principal Asked at every request, so that an expired token is noticed.
 */
export function createStdioEndpoint(
  parts: {
    readonly service: () => McpService;
    readonly info: ServerInfo;
    readonly principal: () => Promise<Principal>;
    readonly input: Readable;
    readonly output: Writable;
  },
  ports: Ports,
): StdioEndpoint {
  const live = new Set<Server>();
  const onerror = (fault: Error): void => {
    ports.log.debug("mcp_rejected", { reason: fault.message });
    refused("protocol_error");
  };
  const refused = (reason: string): void => {
    recordRefusal(reason).catch((cause: unknown) =>
      // The refusal of the caller has its own record.
      ports.log.debug("mcp_rejected", { reason: String(cause) }),
    );
  };
  const recordRefusal = async (reason: string): Promise<void> => {
    const origin = { ...(await caller()), transport: "stdio" as const, requestId: undefined };
    parts.service().rejected(origin, reason);
  };
  // The end of its input ends the SDK's transport, and with it the calls under way.
  const endless = new PassThrough();
  const lines = carryInput(parts.input, maxBufferSize, () => refused("invalid_json"));
  lines.pipe(endless, { end: false });
  const transport = new StdioServerTransport(endless, restoreOutput(parts.output), {
    maxBufferSize,
  });
  const closed = new Promise<void>((resolve) => {
    // What was piped last is read by then.
    lines.once("end", () => setImmediate(resolve));
    parts.input.once("close", () => setImmediate(resolve));
  });
  const caller = async (): Promise<Caller> => ({
    principal: await parts.principal(),
    client: undefined,
    protocol: undefined,
  });
  const announces = (_caller: Caller, instance: Server): boolean =>
    opensPages(instance.getClientCapabilities() as JsonObject | undefined);
  /** Over HTTP that is done before the SDK sees the request, where a status can say it. */
  const pauseOf = async (
    { tool, args }: Pick<Call, "tool" | "args">,
    { mcpReq }: ServerContext,
  ): Promise<Pause | undefined> => {
    const { requestState } = parts.service();
    const state = mcpReq.requestState();
    if (requestState === undefined || typeof state !== "string") return undefined;
    const { principal } = await caller();
    try {
      return await requestState.accept(state, { principal, tool, args });
    } catch (error) {
      const foreign = error instanceof AuthError;
      if (!foreign && !(error instanceof InvalidStateError)) throw error;
      refused(foreign ? error.reason : "invalid_request_state");
      throw invalidParams("Invalid or expired requestState");
    }
  };
  const server = {
    ...parts,
    transport: "stdio" as const,
    caller,
    opensPages: announces,
    pauseOf,
    onRecorded: () => {},
  };
  const handle = serveStdio(
    (context) => {
      const instance = createServer(server, context, ports);
      live.add(instance);
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has no other form
      instance.onclose = () => live.delete(instance);
      return instance;
    },
    { transport, onerror },
  );
  const requests = followRequests(transport);
  return {
    ...requests,
    toolsChanged() {
      for (const instance of live) {
        instance.sendToolListChanged().catch((cause: unknown) => {
          ports.log.debug("notify_failed", { reason: String(cause) });
        });
      }
    },
    closed,
    close: () => handle.close(),
  };
}

/** Sees what comes and goes on the transport. */
function followRequests(
  transport: StdioServerTransport,
): Pick<StdioEndpoint, "answered" | "pending"> {
  const open = new Set<RequestId>();
  let wake = (): void => {};
  const done = (id: RequestId): void => {
    open.delete(id);
    if (open.size === 0) wake();
  };
  const { onmessage: receive } = transport;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK has no other form
  transport.onmessage = (message) => {
    if ("method" in message) {
      if (!("id" in message)) {
        // Who cancels gets no answer.
        const { requestId } = (message.params ?? {}) as { readonly requestId?: RequestId };
        if (message.method === "notifications/cancelled" && requestId !== undefined)
          done(requestId);
        // A listener's answer is the end of its stream.
      } else if (message.method !== "subscriptions/listen") open.add(message.id);
    }
    receive?.(message);
  };
  const send = transport.send.bind(transport);
  transport.send = async (message: JSONRPCMessage) => {
    try {
      await send(message);
    } finally {
      if (!("method" in message) && message.id !== undefined) done(message.id);
    }
  };
  return {
    pending: () => open.size,
    answered: () =>
      new Promise((resolve) => {
        wake = resolve;
        if (open.size === 0) resolve();
      }),
  };
}
