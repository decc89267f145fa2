import type { IncomingHttpHeaders } from "node:http";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { legacyVersions, modernVersion, type Era } from "./service.ts";

/** A request of the hot lane, known to be well-formed. */
export type HotRequest = {
  readonly era: Era;
  readonly id: string | number;
  readonly progressToken: string | number | undefined;
  /** Of the client; undefined: the 2025 era says them only once. */
  readonly capabilities: JsonValue | undefined;
} & (
  | { readonly method: "tools/list" }
  | { readonly method: "tools/call"; readonly name: string; readonly args: JsonObject }
);

const own = "io.modelcontextprotocol/";
const versionKey = `${own}protocolVersion`;
const capabilitiesKey = `${own}clientCapabilities`;
const clientInfoKey = `${own}clientInfo`;

/**
 * Recognizes exactly the common well-formed `tools/call` and `tools/list`. Whatever is unusual in
 * any way, right or wrong, gives undefined and goes the SDK's way, which knows every rule; asking
 * the SDK about every request would cost a third of a plain proxy's whole work.
 */
export function acceptRequest(
  headers: IncomingHttpHeaders,
  body: JsonValue,
): HotRequest | undefined {
  const message = readMessage(body);
  if (message === undefined) return undefined;
  const { id, method, params, meta } = message;
  const era = meta !== undefined && versionKey in meta ? "modern" : "legacy";
  const fits = era === "modern" ? isModern(headers, method, meta) : isLegacy(headers, meta);
  if (!fits) return undefined;
  const progressToken = meta?.["progressToken"];
  if (progressToken !== undefined && !isId(progressToken)) return undefined;
  const { capabilities } = message;
  if (method === "tools/list") {
    return hasOnly(params ?? {}, listKeys)
      ? { era, id, progressToken, capabilities, method }
      : undefined;
  }
  const call = readCall(params);
  if (call === undefined) return undefined;
  const { name, args } = call;
  if (era === "modern" && headers["mcp-name"] !== name) return undefined;
  return { era, id, progressToken, capabilities, method, name, args };
}

function readCall(
  params: JsonObject | undefined,
): { readonly name: string; readonly args: JsonObject } | undefined {
  if (params === undefined || !hasOnly(params, callKeys)) return undefined;
  const { name, arguments: args = {} } = params;
  return typeof name === "string" && isJsonObject(args) ? { name, args } : undefined;
}

interface Message {
  readonly id: string | number;
  readonly method: HotRequest["method"];
  readonly params: JsonObject | undefined;
  readonly meta: JsonObject | undefined;
  readonly capabilities: JsonValue | undefined;
}

function readMessage(body: JsonValue): Message | undefined {
  if (!isJsonObject(body) || body["jsonrpc"] !== "2.0" || !hasOnly(body, bodyKeys))
    return undefined;
  const { id, method, params } = body;
  if (!isId(id) || !isOptionalObject(params)) return undefined;
  if (method !== "tools/call" && method !== "tools/list") return undefined;
  const meta = params?.["_meta"];
  if (!isOptionalObject(meta)) return undefined;
  return { id, method, params, meta, capabilities: meta?.[capabilitiesKey] };
}

const bodyKeys = new Set(["jsonrpc", "id", "method", "params"]);
const listKeys = new Set(["_meta"]);
const callKeys = new Set(["name", "arguments", "_meta"]);

/** 2026-07-28: a complete envelope in `_meta`, and headers that repeat it. */
function isModern(
  headers: IncomingHttpHeaders,
  method: string,
  meta: JsonObject | undefined,
): boolean {
  if (meta === undefined || meta[versionKey] !== modernVersion) return false;
  if (headers["mcp-protocol-version"] !== modernVersion || headers["mcp-method"] !== method) {
    return false;
  }
  const { [capabilitiesKey]: capabilities, [clientInfoKey]: clientInfo } = meta;
  if (!isJsonObject(capabilities)) return false;
  for (const name in capabilities) if (!isPlain(capabilities[name])) return false;
  if (clientInfo !== undefined && !isClientInfo(clientInfo)) return false;
  for (const key in meta) {
    const known = key === versionKey || key === capabilitiesKey || key === clientInfoKey;
    if (!known && key.startsWith(own)) return false;
  }
  return true;
}

/** An empty object, or one of empty objects: the only capabilities whose shape needs no schema. */
function isPlain(capability: JsonValue | undefined): boolean {
  if (!isJsonObject(capability)) return false;
  for (const name in capability) {
    const inner = capability[name];
    if (!isJsonObject(inner) || Object.keys(inner).length > 0) return false;
  }
  return true;
}

function isClientInfo(info: JsonValue): boolean {
  if (!isJsonObject(info) || !hasOnly(info, clientInfoKeys)) return false;
  const { name, version, title } = info;
  const titled = title === undefined || typeof title === "string";
  return typeof name === "string" && typeof version === "string" && titled;
}

const clientInfoKeys = new Set(["name", "version", "title"]);

/** 2025 and before: no envelope, no header of the new era, both answer types accepted. */
function isLegacy(headers: IncomingHttpHeaders, meta: JsonObject | undefined): boolean {
  const version = headers["mcp-protocol-version"];
  if (version !== undefined && !legacyVersions.has(String(version))) return false;
  if (headers["mcp-method"] !== undefined || headers["mcp-name"] !== undefined) return false;
  const { accept } = headers;
  if (accept === undefined) return false;
  if (!accept.includes("application/json") || !accept.includes("text/event-stream")) return false;
  for (const key in meta) if (key.startsWith(own)) return false;
  return true;
}

/** JSON-RPC: a string or an integer that survives JSON. */
function isId(value: JsonValue | undefined): value is string | number {
  return typeof value === "string" || Number.isSafeInteger(value);
}

function isOptionalObject(value: JsonValue | undefined): value is JsonObject | undefined {
  return value === undefined || isJsonObject(value);
}

function hasOnly(object: JsonObject, keys: ReadonlySet<string>): boolean {
  for (const key in object) if (!keys.has(key)) return false;
  return true;
}
