import {
  Client as Client2,
  StreamableHTTPClientTransport as Http2,
} from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, onTestFinished, test } from "vitest";

import { connectWorld, type ConnectWorld } from "./world.ts";

const info = { name: "test", version: "1.0.0" };
const call = { name: "list_issues", arguments: {} };

async function place(at: ConnectWorld) {
  const headers = { authorization: `Bearer ${await at.idp.token()}` };
  return [new URL(at.url), { requestInit: { headers } }] as const;
}

test("client 2.x of 2026-07-28 asks its person, waits, and calls again by itself", async () => {
  const at = await connectWorld();
  const client = new Client2(info, {
    capabilities: { elicitation: { url: {} } },
    versionNegotiation: { mode: { pin: "2026-07-28" } },
  });
  const shown: string[] = [];
  client.setRequestHandler("elicitation/create", async ({ params }) => {
    if (params.mode !== "url") throw new TypeError("no page");
    shown.push(params.message);
    expect((await at.browser.open(params.url)).status).toBe(200);
    return { action: "accept" };
  });
  await client.connect(new Http2(...(await place(at))));
  onTestFinished(() => client.close());
  const result = await client.callTool(call);
  expect(result).toMatchObject({ structuredContent: { ok: true } });
  expect(shown).toEqual([
    "Connect your Issue tracker account, so that this gateway can use it for you.",
  ]);
  expect(at.bearers()).toEqual(["Bearer account-1"]);
});

test("SDK 1.x of 2025-11-25 throws what it knows as URL elicitation required", async () => {
  const at = await connectWorld();
  const client = new Client1(info, { capabilities: { elicitation: { url: {} } } });
  await client.connect(new Http1(...(await place(at))));
  onTestFinished(() => client.close());
  const refusal = await client.callTool(call).then(
    () => undefined,
    (error: unknown) => error as { code: number; elicitations: readonly { url: string }[] },
  );
  expect(refusal).toMatchObject({ code: -32_042, elicitations: [{ mode: "url" }] });
  await at.browser.open(refusal?.elicitations[0]?.url ?? "");
  expect(await client.callTool(call)).toMatchObject({ structuredContent: { ok: true } });
});

test("SDK 1.x that cannot open pages gets a result with the link", async () => {
  const at = await connectWorld();
  const client = new Client1(info);
  await client.connect(new Http1(...(await place(at))));
  onTestFinished(() => client.close());
  const { content, isError } = await client.callTool(call);
  expect(isError).toBe(true);
  expect(JSON.stringify(content)).toContain("/connect/tracker?t=");
});
