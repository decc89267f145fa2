import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { call, eras, usual } from "../mcp/wire.ts";
import { makeAuthority, makeCertificate } from "../world/certificate.ts";
import { world, type World } from "../world/world.ts";

const authority = makeAuthority();
const [inside, outside] = [authority.issue("localhost"), makeCertificate("localhost")];

/** A gateway behind TLS whose API is behind TLS, and whose large answers are passed on while they come. */
async function secured(answer: (response: ServerResponse) => void): Promise<World> {
  const { key, certificate: cert } = inside;
  const api = createServer({ key, cert }, (_, response) => answer(response));
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
  onTestFinished(() => {
    api.closeAllConnections();
    api.close();
  });
  return world({
    spec: { paths: { "/thing": { get: { operationId: "thing" } } } },
    tools: "- {match: {paths: ['/**']}, expose: false}",
    secure: true,
    files: {
      "ca.pem": authority.certificate,
      "tls.crt": outside.certificate,
      "tls.key": outside.key,
    },
    extra: {
      server: "tls: {certificate: '${file:tls.crt}', key: '${file:tls.key}'}",
      top: "limits: {responseSize: 32MiB}",
      apis: `secure:
  spec: spec.json
  url: https://localhost:${(api.address() as AddressInfo).port}
  tls: {ca: '\${file:ca.pem}'}
  credential: none
  tools: [{operation: thing, response: {maxTokens: 1000000}}]`,
    },
  });
}

async function ask(at: World, era: (typeof eras)[number]): Promise<IncomingMessage> {
  const { body, headers } = era.request("tools/call", call("thing"));
  const authorization = `Bearer ${await at.idp.token()}`;
  const asked = request(at.url, {
    method: "POST",
    agent: false,
    ca: outside.certificate,
    headers: { ...usual, ...headers, authorization },
  });
  asked.on("error", () => {});
  onTestFinished(() => void asked.destroy());
  asked.end(JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.on("error", () => {});
  return response;
}

async function resultIn(response: IncomingMessage): Promise<{
  readonly content: readonly { readonly text: string }[];
  readonly isError?: boolean;
}> {
  const text = Buffer.concat(await response.toArray()).toString();
  return (JSON.parse(text) as { result: Awaited<ReturnType<typeof resultIn>> }).result;
}

/** Most of it is left out on its way: the connections cannot hold all of it. */
const sent = `"é" € 😀\n${"\u0000".repeat(20)}`.repeat(400_000);
const told = sent.replaceAll("\u0000", "");

test.each(eras)("a large answer passes through two TLS connections, $era", async (era) => {
  let written = false;
  const at = await secured((response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end(sent, () => (written = true));
  });
  const response = await ask(at, era);
  expect(response.headers["transfer-encoding"]).toBe("chunked");
  // Who reads late gets it whole, and until then the API waits.
  response.pause();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(written).toBe(false);
  const { content, isError } = await resultIn(response);
  expect(isError).toBeUndefined();
  expect(content.map((block) => block.text === told)).toEqual([true]);
  expect(await at.audit()).toMatchObject([
    { outcome: "success", response: { bytes: Buffer.byteLength(sent) } },
  ]);
});

test("one that breaks off is told as that", async () => {
  const at = await secured((response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write(sent.slice(0, 2_000_000), () => response.destroy());
  });
  const { content, isError } = await resultIn(await ask(at, eras[0]!));
  expect(isError).toBe(true);
  expect(content).toHaveLength(2);
  expect(await at.audit()).toMatchObject([{ outcome: "failure", reason: "upstream_unreachable" }]);
});

test("who goes away lets the API go", async () => {
  let closed = false;
  const at = await secured((response) => {
    response.on("close", () => (closed = true));
    response.writeHead(200, { "content-type": "text/plain" }).write(sent);
  });
  const response = await ask(at, eras[1]!);
  response.destroy();
  await vi.waitFor(() => expect(closed).toBe(true));
  await vi.waitFor(async () => expect(await at.audit()).toMatchObject([{ outcome: "cancelled" }]));
});
