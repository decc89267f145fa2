import type { Readable, Writable } from "node:stream";
import type { Server } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import type { Caller } from "./client.ts";
import { carryInput, restoreOutput } from "./exact-stdio.ts";
import { opensPages } from "./errand.ts";
import { createServer } from "./server.ts";
import type { McpService, ServerInfo } from "./service.ts";

export interface StdioEndpoint {
  readonly toolsChanged: () => void;
  /** Resolves when the client has closed its end. */
  readonly closed: Promise<void>;
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
    recordRefusal().catch((cause: unknown) =>
      // The refusal of the caller has its own record.
      ports.log.debug("mcp_rejected", { reason: String(cause) }),
    );
  };
  const recordRefusal = async (): Promise<void> => {
    const origin = { ...(await caller()), transport: "stdio" as const, requestId: undefined };
    parts.service().rejected(origin, "protocol_error");
  };
  const transport = new StdioServerTransport(
    carryInput(parts.input, maxBufferSize),
    restoreOutput(parts.output),
    { maxBufferSize },
  );
  const closed = new Promise<void>((resolve) => {
    parts.input.once("end", resolve);
    parts.input.once("close", resolve);
  });
  const caller = async (): Promise<Caller> => ({
    principal: await parts.principal(),
    client: undefined,
    protocol: undefined,
  });
  const announces = (_caller: Caller, instance: Server): boolean =>
    opensPages(instance.getClientCapabilities() as JsonObject | undefined);
  const server = {
    ...parts,
    transport: "stdio" as const,
    caller,
    opensPages: announces,
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
  return {
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
