/** One MCP session of the 2025 revisions, as a client opens it. */
export interface Session {
  /** Header lines that every further request of it carries. */
  readonly headers: readonly string[];
  /** The first tool whose arguments name an `id`. */
  readonly tool: string;
}

const version = "2025-06-18";

/** initialize → notifications/initialized → tools/list. @throws Error at any answer but the right one. */
export async function openSession(port: number, token?: string): Promise<Session> {
  const client = { name: "bench", version: "1" };
  const first = await post(port, authorization(token), {
    jsonrpc: "2.0",
    id: "initialize",
    method: "initialize",
    params: { protocolVersion: version, capabilities: {}, clientInfo: client },
  });
  const session = first.headers.get("mcp-session-id");
  const chosen = resultOf(await first.text())["protocolVersion"];
  const headers = {
    ...authorization(token),
    "mcp-protocol-version": typeof chosen === "string" ? chosen : version,
    ...(session === null ? {} : { "mcp-session-id": session }),
  };
  const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };
  await (await post(port, headers, initialized)).text();
  const list = { jsonrpc: "2.0", id: "list", method: "tools/list" };
  const { tools } = resultOf(await (await post(port, headers, list)).text());
  const tool = (tools as readonly ListedTool[]).find(
    ({ inputSchema }) => inputSchema.properties && "id" in inputSchema.properties,
  );
  if (tool === undefined) throw new Error("no tool with an argument id is listed");
  return {
    headers: Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    tool: tool.name,
  };
}

interface ListedTool {
  readonly name: string;
  readonly inputSchema: { readonly properties?: object };
}

function authorization(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

async function post(
  port: number,
  headers: Readonly<Record<string, string>>,
  message: object,
): Promise<Response> {
  const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(20_000),
  });
  if (response.ok) return response;
  throw new Error(`${response.status}: ${(await response.text()).slice(0, 500)}`);
}

/** The result, whether it comes as JSON or as the one `data` line of an event stream. */
function resultOf(text: string): Readonly<Record<string, unknown>> {
  const data = text.startsWith("{") ? text : /^data: *(\{.*)$/m.exec(text)?.[1];
  const message = JSON.parse(data ?? "{}") as { result?: Record<string, unknown> };
  if (message.result === undefined) throw new Error(`no result: ${text.slice(0, 500)}`);
  return message.result;
}
