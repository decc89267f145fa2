import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import type { Client } from "../observe/record/client.ts";
import type { Origin } from "../observe/record/event.ts";

/** Who speaks, over which connection; the request's own id comes later. */
export type Caller = Pick<Origin, "principal" | "client" | "protocol" | "trace">;

/** The last client of each connection: it is nearly always the next one too. */
const known = new WeakMap<Socket, Client>();

/** @param ip Whose request it is; a proxy may have many callers on one connection. */
export function clientOf(
  request: IncomingMessage,
  body: JsonValue,
  ip: string | undefined,
): Client {
  const { socket, headers } = request;
  const userAgent = headers["user-agent"];
  const info = clientInfoOf(body);
  const last = known.get(socket);
  const same = last !== undefined && last.userAgent === userAgent && last.ip === ip;
  if (same && isNamed(last, info)) return last;
  const client: Client = {
    ip,
    userAgent,
    name: info?.name,
    version: info?.version,
  };
  known.set(socket, client);
  return client;
}

/** The revision that a request names in its header. */
export function protocolOf({ headers }: IncomingMessage): string | undefined {
  const revision = headers["mcp-protocol-version"];
  return typeof revision === "string" ? revision : undefined;
}

function isNamed(client: Client, info: Info | undefined): boolean {
  return client.name === info?.name && client.version === info?.version;
}

type Info = { readonly name: string; readonly version: string | undefined };

/** In the 2026 era every request has it; before, only the first of a session. */
function clientInfoOf(body: JsonValue): Info | undefined {
  const params = isJsonObject(body) ? body["params"] : undefined;
  if (!isJsonObject(params)) return undefined;
  const meta = params["_meta"];
  const info =
    (isJsonObject(meta) ? meta["io.modelcontextprotocol/clientInfo"] : undefined) ??
    params["clientInfo"];
  if (!isJsonObject(info) || typeof info["name"] !== "string") return undefined;
  const version = info["version"];
  return { name: info["name"], version: typeof version === "string" ? version : undefined };
}
