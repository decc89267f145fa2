/**
 * Names of OpenTelemetry's conventions, as they stood when this was written: those for MCP are in
 * development and change, so they are here and in no library.
 *
 * @see open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md
 */
export const attributes = {
  method: "mcp.method.name",
  protocol: "mcp.protocol.version",
  tool: "gen_ai.tool.name",
  operation: "gen_ai.operation.name",
  requestId: "jsonrpc.request.id",
  error: "error.type",
  rpcStatus: "rpc.response.status_code",
  clientAddress: "client.address",
  networkProtocol: "network.protocol.name",
  transport: "network.transport",
  httpMethod: "http.request.method",
  httpStatus: "http.response.status_code",
  resendCount: "http.request.resend_count",
  serverAddress: "server.address",
  serverPort: "server.port",
  urlTemplate: "url.template",
} as const;
