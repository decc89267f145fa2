import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { onTestFinished } from "vitest";
import { stdioFolder } from "../clients/stdio.ts";
import { createPostModern, type PostModern } from "../world/modern-call.ts";
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
interface Asked {
  readonly confirm: {
    readonly method: string;
    readonly params: { readonly message: string; readonly url?: string };
  };
}

/** A gateway in front of the ward. */
export async function confirmWorld(
  options: Partial<WorldOptions> = {},
): Promise<World & { readonly modern: PostModern<Asked> }> {
  const at = await world({ ...ward, ...options });
  at.api.answer = (_, response) => void response.writeHead(204).end();
  const usual = { tool: "delete_patient", args: { id: "7" }, capabilities: formCapable };
  return { ...at, modern: createPostModern(at, usual) };
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
