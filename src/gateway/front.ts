import type { Ports } from "../base/ports.ts";
import type { Broker } from "../broker/broker.ts";
import type { Config } from "../config/config.ts";
import type { Listen, TlsConfig } from "../config/types/server.ts";
import type { ConnectEvent } from "../http/connect.ts";
import { createHttpServer, httpTimes } from "../http/server.ts";
import type { Introductions } from "../mcp/errand.ts";
import { createMcpEndpoint } from "../mcp/endpoint.ts";
import type { McpService, ServerInfo } from "../mcp/service.ts";
import { nobody, type Note } from "../observe/record/event.ts";
import type { Recorder } from "../observe/recorder.ts";
import type { Refusals } from "../observe/refusals.ts";
import type { Listener } from "./place.ts";
import { endpointAt, type Snapshot } from "./snapshot.ts";

/** The public listener at one address, with the streams of the clients that listen there. */
export interface Front extends Listener {
  readonly renew: (tls: TlsConfig) => void;
  readonly toolsChanged: () => void;
  /** Clients that listen at the moment. */
  readonly listening: () => number;
}

export interface FrontParts {
  readonly info: ServerInfo;
  /** Of this moment. */
  readonly snapshot: () => Snapshot;
  /** undefined: there is none. */
  readonly broker: Broker | undefined;
  readonly introductions: Introductions;
  readonly recorder: Pick<Recorder, "note" | "believed">;
  readonly refusals: Pick<Refusals, "note">;
  readonly sheds: () => boolean;
}

/** Of refused requests, where it is not simply that. */
const outcomes: Readonly<Record<string, "failure" | "shed">> = {
  internal_error: "failure",
  overloaded: "shed",
  too_many_connections: "shed",
};

export function createFront(
  { server, limits, endpoints, broker: brokerConfig }: Config,
  listen: Listen,
  { info, snapshot, broker, introductions, recorder, refusals, sheds }: FrontParts,
  ports: Ports,
): Front {
  const { maxListenStreams } = limits;
  const mcp = new Map(
    endpoints.map(({ path }) => {
      const service = (): McpService => endpointAt(snapshot(), path).mcp;
      return [path, createMcpEndpoint(service, { info, introductions, maxListenStreams }, ports)];
    }),
  );
  const http = createHttpServer(
    {
      listen,
      tls: server.tls,
      maxRequestBytes: limits.maxRequestBytes,
      service: () => snapshot().http,
      endpoints: new Map([...mcp].map(([path, { post }]) => [path, post])),
      onRefused: ({ event, reason, principal, client }) => {
        const outcome = outcomes[reason] ?? "denied";
        const detail = event === "rate.deny" ? { limit: "address" } : undefined;
        const note = { ...nobody, event, outcome, reason, principal, client, detail } as const;
        refusals.note({ ...note, transport: "http" });
      },
      guest:
        broker !== undefined && brokerConfig?.listen === undefined
          ? { owns: broker.owns, handle: broker.handler }
          : undefined,
      onBelieved: recorder.believed,
      secure: server.url.startsWith("https:"),
      onConnect: (event) => recorder.note(noteOfConnection(event)),
      times: httpTimes,
      maxConnections: limits.maxConnections,
      sheds,
    },
    ports,
  );
  return {
    async listen() {
      const listening = await http.listen();
      for (const endpoint of mcp.values()) void endpoint.warm();
      return listening;
    },
    renew: http.renew,
    toolsChanged() {
      for (const endpoint of mcp.values()) endpoint.toolsChanged();
    },
    listening: () => [...mcp.values()].reduce((sum, { listening }) => sum + listening(), 0),
    drain: http.drain,
    release: async () => http.release(),
    async close(timeoutMs) {
      // Who listened comes again, and must not come here.
      http.release();
      const closed = http.close(timeoutMs);
      await Promise.all([...mcp.values()].map((endpoint) => endpoint.close()));
      await closed;
    },
  };
}

/** Who connected or disconnected what, or could not. */
function noteOfConnection({ action, provider, reason, owner }: ConnectEvent): Note {
  const subject = owner === undefined ? {} : { sub: owner.sub, iss: owner.iss };
  return {
    ...nobody,
    transport: "http",
    event: "connection.action",
    outcome: reason === undefined ? "success" : "denied",
    reason,
    detail: { connection: { action, provider, ...subject } },
  };
}
