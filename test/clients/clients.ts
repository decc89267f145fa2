import {
  Client as Client2,
  StreamableHTTPClientTransport as Http2,
} from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { onTestFinished } from "vitest";
import type { StdioFolder, StdioProgram } from "./stdio.ts";

interface Result {
  readonly content?: unknown;
  readonly structuredContent?: unknown;
  readonly isError?: boolean | undefined;
}

/** What these tests ask of a client, whoever wrote it. */
export interface RealClient {
  /** What the server said about `tools.listChanged`. */
  readonly promisesListChanged: boolean | undefined;
  /** Names of the tools. */
  readonly list: () => Promise<readonly string[]>;
  readonly call: (name: string, args?: Record<string, unknown>) => Promise<Result>;
  /** How many `notifications/tools/list_changed` have come. */
  readonly changes: () => number;
}

/** Where a client finds the gateway: at a URL, or as a program that it starts. */
type Place =
  | { readonly url: string; readonly token: string }
  | { readonly folder: StdioFolder; readonly program: StdioProgram };

export interface ClientKind {
  readonly name: string;
  readonly era: "2025" | "2026";
  readonly transport: "http" | "stdio";
  readonly connect: (place: Place) => Promise<RealClient>;
}

const info = { name: "test", version: "1.0.0" };

export const clientKinds: readonly ClientKind[] = (["http", "stdio"] as const).flatMap(
  (transport): ClientKind[] => [
    { name: `SDK 1.x over ${transport}`, era: "2025", transport, connect: connect1 },
    {
      name: `client 2.x, legacy, over ${transport}`,
      era: "2025",
      transport,
      connect: (place) => connect2(place, "legacy"),
    },
    {
      name: `client 2.x, 2026-07-28, over ${transport}`,
      era: "2026",
      transport,
      connect: connectModern,
    },
  ],
);

/** A client of 2026-07-28, which falls back to nothing. */
export function connectModern(place: Place): Promise<RealClient> {
  return connect2(place, { pin: "2026-07-28" });
}

async function connect1(place: Place): Promise<RealClient> {
  const client = new Client1(info);
  let changes = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++);
  const transport =
    "url" in place ? new Http1(new URL(place.url), headers(place)) : new Stdio1(place.program);
  if ("folder" in place) place.folder.follow((transport as Stdio1).stderr);
  await client.connect(transport);
  onTestFinished(() => client.close());
  return {
    promisesListChanged: client.getServerCapabilities()?.tools?.listChanged,
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}) => (await client.callTool({ name, arguments: args })) as Result,
    changes: () => changes,
  };
}

async function connect2(place: Place, mode: "legacy" | { pin: string }): Promise<RealClient> {
  let changes = 0;
  const client = new Client2(info, {
    versionNegotiation: { mode },
    listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => void changes++ } },
  });
  const transport =
    "url" in place ? new Http2(new URL(place.url), headers(place)) : new Stdio2(place.program);
  if ("folder" in place) place.folder.follow((transport as Stdio2).stderr);
  await client.connect(transport);
  onTestFinished(() => client.close());
  return {
    promisesListChanged: client.getServerCapabilities()?.tools?.listChanged,
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args = {}) => client.callTool({ name, arguments: args }),
    changes: () => changes,
  };
}

function headers({ token }: { readonly token: string }): {
  readonly requestInit: { readonly headers: Record<string, string> };
} {
  return { requestInit: { headers: { authorization: `Bearer ${token}` } } };
}
