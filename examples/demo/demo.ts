import { readFileSync } from "node:fs";
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import type { SeenRequest } from "../courses/server.ts";
import { startHouse } from "./house.ts";
import { createPerson } from "./person.ts";

const seen: SeenRequest[] = [];
const house = await startHouse("ignore", (request) => seen.push(request));
try {
  await demonstrate();
} finally {
  await house.close();
}

async function demonstrate(): Promise<void> {
  const alice = createPerson("alice");
  const client = new Client(
    { name: "demonstration", version: "1.0.0" },
    { versionNegotiation: { mode: "auto" } },
  );
  const transport = (): StreamableHTTPClientTransport =>
    new StreamableHTTPClientTransport(new URL(house.mcpUrl), { authProvider: alice.provider });

  /** What every MCP client does: try, send the person to the login page, try again. */
  const afterLogin = async <T>(attempt: () => Promise<T>): Promise<T> => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      await transport().finishAuth(alice.callback());
      return attempt();
    }
  };

  heading("1. Log in over OAuth, as alice");
  await afterLogin(() => client.connect(transport()));
  const scopes = (await alice.provider.tokens())?.scope ?? "";
  print(`connected with protocol ${client.getNegotiatedProtocolVersion()}; scopes: ${scopes}`);

  heading("2. List the tools made from specs/courses.yaml");
  const { tools } = await client.listTools();
  for (const { name, title } of tools) print(`${name.padEnd(18)} ${title ?? ""}`);

  heading("3. Call one");
  const found = await client.callTool({
    name: "search_courses",
    arguments: { q: "data", limit: 3 },
  });
  print(textOf(found.content));

  heading("4. Call one that needs more: 403, one more consent, done");
  const enrolled = await afterLogin(() =>
    client.callTool({
      name: "enrol_in_course",
      arguments: { body: { courseId: courseOf(found) } },
    }),
  );
  print(textOf(enrolled.content));
  print(`consents given: ${alice.logins()}; scopes: ${(await alice.provider.tokens())?.scope}`);

  heading("5. What the internal API saw");
  for (const { method, path, headers } of seen) {
    const { aud, sub, act, scope } = claimsOf(headers.authorization ?? "");
    print(`${method} ${path}`);
    print(
      `  its own token: aud=${show(aud)} sub=${show(sub)} act=${show(act)} scope=${show(scope)}`,
    );
    const mine = (await alice.provider.tokens())?.access_token ?? "";
    if (headers.authorization?.includes(mine)) throw new Error("the caller's token was passed on");
  }

  heading("6. The audit record");
  print(readFileSync("var/audit/audit.ndjson", "utf8").trimEnd().split("\n").at(-1) ?? "");
  await client.close();
}

function heading(text: string): void {
  console.log(`\n${text}\n${"-".repeat(text.length)}`);
}

function print(text: string): void {
  console.log(text);
}

function textOf(content: unknown): string {
  const blocks = Array.isArray(content) ? (content as { readonly text?: string }[]) : [];
  const text = blocks.map((block) => block.text ?? "").join("\n");
  return text.length > 700 ? `${text.slice(0, 700)}…` : text;
}

function courseOf({ structuredContent }: { readonly structuredContent?: unknown }): string {
  const page = structuredContent as { readonly items?: readonly { readonly id: string }[] };
  const id = page.items?.[0]?.id;
  if (id === undefined) throw new Error("the search found nothing");
  return id;
}

/** Claims only: the token itself is nobody's business. */
function claimsOf(authorization: string): Readonly<Record<string, unknown>> {
  const payload = authorization.split(".")[1] ?? "";
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
