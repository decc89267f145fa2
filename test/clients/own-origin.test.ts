import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { expect, onTestFinished, test } from "vitest";
import { createPerson } from "../../examples/demo/person.ts";
import { house } from "./house.ts";

test("a client logs in at the gateway's own origin and calls a tool", async () => {
  const made = await house({ shared: true });
  const alice = createPerson("alice");
  const client = new Client({ name: "test", version: "1.0.0" });
  const transport = (): StreamableHTTPClientTransport =>
    new StreamableHTTPClientTransport(new URL(made.url), { authProvider: alice.provider });
  const first = transport();
  await expect(client.connect(first)).rejects.toThrow(UnauthorizedError);
  await first.finishAuth(alice.callback());
  await client.connect(transport());
  onTestFinished(() => client.close());
  made.guard((await alice.provider.tokens())?.access_token);
  const found = await client.callTool({
    name: "search_courses",
    arguments: { q: "data", limit: 1 },
  });
  expect(found.isError).not.toBe(true);
  expect(made.claims(made.seen.at(-1))).toMatchObject({
    iss: new URL(made.url).origin,
    sub: "alice",
    aud: "courses-api",
  });
});

test("what is not the broker's stays the gateway's", async () => {
  const { url } = await house({ shared: true });
  const { origin } = new URL(url);
  const statusOf = async (path: string): Promise<number> =>
    (await fetch(`${origin}${path}`)).status;
  expect(await statusOf("/jwks.json")).toBe(200);
  expect(await statusOf("/.well-known/oauth-authorization-server")).toBe(200);
  expect(await statusOf("/.well-known/oauth-protected-resource/mcp")).toBe(200);
  expect(await statusOf("/mcp")).toBe(401);
  expect(await statusOf("/tokens")).toBe(404);
  expect(await statusOf("/idp")).toBe(404);
});
