import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { onTestFinished } from "vitest";
import { stdioFolder } from "../clients/stdio.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

const text = { type: "string" };

/** An API where something can be lost. */
const ward: WorldOptions = {
  spec: {
    paths: {
      "/patients": { get: { operationId: "list_patients" } },
      "/notes": {
        post: {
          operationId: "write_note",
          parameters: [{ name: "author", in: "query", schema: text }],
          requestBody: {
            content: {
              "application/json": {
                schema: {
                  type: "object",
                  properties: { text, about: text, pin: { type: "integer" } },
                },
              },
            },
          },
        },
      },
      "/patients/{id}": {
        parameters: [{ name: "id", in: "path", required: true, schema: text }],
        delete: {
          operationId: "delete_patient",
          summary: "Forget a patient",
          parameters: [
            { name: "reason", in: "query", schema: text },
            { name: "count", in: "query", schema: { type: "integer" } },
            { name: "code", in: "query", schema: { ...text, writeOnly: true } },
            { name: "badge", in: "query", schema: { ...text, format: "password" } },
            { name: "ward", in: "query", schema: { ...text, "x-sensitive": true } },
            { name: "apiToken", in: "query", schema: text },
          ],
          responses: { 204: { description: "gone" } },
        },
      },
    },
  },
  tools: `- operation: delete_patient
  confirm: required
- match: {paths: ["/notes"]}
  confirm: required
- match: {paths: ["/**"]}`,
  credential: "none",
};

export const formCapable = { elicitation: { form: {} } };
const own = "io.modelcontextprotocol/";

/** A `tools/call` of the 2026 era, as it goes over the wire. */
interface ModernCall {
  readonly tool?: string;
  readonly args?: object | string;
  readonly capabilities?: object;
  /** `inputResponses` and `requestState`. */
  readonly retry?: object;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly url?: string;
}

interface Answer {
  readonly status: number;
  readonly message: {
    readonly result?: {
      readonly resultType?: string;
      readonly isError?: boolean;
      readonly content?: readonly { readonly text: string }[];
      readonly inputRequests?: {
        readonly confirm: {
          readonly method: string;
          readonly params: { readonly message: string; readonly url?: string };
        };
      };
      readonly requestState?: string;
    };
    readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  };
}

export type Modern = (call?: ModernCall) => Promise<Answer>;

function modernCalls({ url: there, idp }: World): Modern {
  return async ({
    tool = "delete_patient",
    args = { id: "7" },
    capabilities = formCapable,
    retry = {},
    claims = {},
    url = there,
  } = {}) => {
    const meta = {
      [`${own}protocolVersion`]: "2026-07-28",
      [`${own}clientCapabilities`]: capabilities,
    };
    const params = { name: tool, arguments: "ARGUMENTS", _meta: meta, ...retry };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    const written = typeof args === "string" ? args : JSON.stringify(args);
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${await idp.token(claims)}`,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": tool,
      },
      body: body.replace('"ARGUMENTS"', () => written),
    });
    return { status: response.status, message: (await response.json()) as Answer["message"] };
  };
}

/** A gateway in front of the ward. */
export async function confirmWorld(
  options: Partial<WorldOptions> = {},
): Promise<World & { readonly modern: Modern }> {
  const at = await world({ ...ward, ...options });
  at.api.answer = (_, response) => void response.writeHead(204).end();
  return { ...at, modern: modernCalls(at) };
}

export const answering = (action: string, requestState: string | undefined): object => ({
  inputResponses: { confirm: { action, ...(action === "accept" ? { content: {} } : {}) } },
  requestState,
});

type Action = "accept" | "decline" | "cancel";

interface Person {
  readonly client: Client;
  /** What they were asked, oldest first. */
  readonly questions: readonly { readonly message: string; readonly requestedSchema?: unknown }[];
}

/** A real client whose person always answers the same; undefined: it shows no forms. */
export async function connectPerson(
  at: World,
  era: "2025" | "2026",
  transport: "http" | "stdio",
  answer: Action | undefined,
): Promise<Person> {
  const questions: Person["questions"][number][] = [];
  const client = new Client(
    { name: "test", version: "1.0.0" },
    {
      versionNegotiation: { mode: era === "2025" ? "legacy" : { pin: "2026-07-28" } },
      capabilities: answer === undefined ? {} : formCapable,
    },
  );
  if (answer !== undefined)
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      questions.push(params);
      return answer === "accept" ? { action: answer, content: {} } : { action: answer };
    });
  const token = await at.idp.token();
  if (transport === "http") {
    const requestInit = { headers: { authorization: `Bearer ${token}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(at.url), { requestInit }));
  } else {
    const folder = await stdioFolder(at);
    const pipe = new StdioClientTransport(folder.program(token));
    folder.follow(pipe.stderr);
    await client.connect(pipe);
  }
  onTestFinished(() => client.close());
  return { client, questions };
}
