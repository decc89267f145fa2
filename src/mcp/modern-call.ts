import type { IncomingHttpHeaders } from "node:http";
import { classifyInboundRequest } from "@modelcontextprotocol/server";
import { isJsonObject, type JsonValue } from "../base/json.ts";
import { decodeParam, type ModernCall } from "./param-headers.ts";

/** undefined for whatever the SDK refuses for another reason or does not ask headers of. */
export function readModernCall(
  headers: IncomingHttpHeaders,
  body: JsonValue,
): ModernCall | undefined {
  if (!isJsonObject(body) || body["method"] !== "tools/call") return undefined;
  const { id, params } = body;
  if ((typeof id !== "string" && typeof id !== "number") || !isJsonObject(params)) return undefined;
  const { name, arguments: args } = params;
  if (typeof name !== "string" || !isJsonObject(args)) return undefined;
  const header = (key: string): string | undefined => {
    const value = headers[key];
    return typeof value === "string" ? value : undefined;
  };
  const route = classifyInboundRequest({
    httpMethod: "POST",
    protocolVersionHeader: header("mcp-protocol-version"),
    mcpMethodHeader: header("mcp-method"),
    mcpNameHeader: header("mcp-name"),
    body,
  } as Parameters<typeof classifyInboundRequest>[0]);
  if (route.kind !== "modern" || decodeParam(header("mcp-name") ?? "") !== name) return undefined;
  return { id, name, args };
}
