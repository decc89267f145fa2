import { connect } from "node:net";
import { expect, test } from "vitest";
import { world } from "../world/world.ts";
import { requestBytes } from "./raw.ts";

const spec = {
  paths: {
    "/orders/{id}": {
      get: {
        operationId: "get_order",
        parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
      },
    },
  },
};
const json = "content-type: application/json";
const accept = "accept: application/json, text/event-stream";
const call =
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_order","arguments":{"id":"7"}}}';

/** The whole request in one packet, or its body later; the head without what differs by time. */
async function answer(url: string, request: Buffer, split: boolean): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.once("error", () => {});
  });
  const head = request.indexOf("\r\n\r\n") + 4;
  if (split) {
    socket.setNoDelay(true);
    socket.write(request.subarray(0, head));
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.write(request.subarray(head));
  } else socket.write(request);
  await closed;
  return Buffer.concat(chunks)
    .toString()
    .replace(/^Date: .*\r\n/im, "");
}

interface Case {
  readonly name: string;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  readonly token?: "good" | "short" | "none";
  readonly status: number;
}

const cases: readonly Case[] = [
  { name: "a call", status: 200 },
  { name: "a call with a token that lacks the scope", token: "short", status: 403 },
  { name: "a call without a token", token: "none", status: 401 },
  {
    name: "a media type with a parameter",
    headers: ["content-type: application/json; charset=utf-8", accept],
    status: 200,
  },
  { name: "another media type", headers: ["content-type: text/plain", accept], status: 415 },
  { name: "a coded body", headers: [json, accept, "content-encoding: gzip"], status: 415 },
  { name: "no body", body: "", status: 400 },
  { name: "no JSON", body: "{", status: 400 },
  { name: "null", body: "null", status: 400 },
  { name: "a name twice", body: '{"jsonrpc":"2.0","jsonrpc":"2.0","id":1}', status: 400 },
  { name: "no UTF-8", body: Buffer.from([0x22, 0xff, 0x22]), status: 400 },
  { name: "a large body", body: `"${"x".repeat(2_000_000)}"`, status: 413 },
  { name: "a foreign host", headers: [json, accept, "host: evil.example"], status: 403 },
  {
    name: "two hosts",
    headers: [json, accept, "host: evil.example", "Host: 127.0.0.1"],
    status: 403,
  },
  { name: "a foreign origin", headers: [json, accept, "origin: http://evil.example"], status: 403 },
  { name: "an own origin", headers: [json, accept, "origin: http://127.0.0.1"], status: 200 },
  {
    name: "what the SDK refuses",
    body: '{"id":2}',
    status: 400,
  },
];

test.each(cases)("$name is answered the same in one packet and in two", async (wanted) => {
  const { headers = [json, accept], body = call, token = "good", status } = wanted;
  const at = await world({
    spec,
    credential: "none",
    tools: "- {operation: get_order, scopes: [orders:read]}",
    extra: { server: "allowedOrigins: [127.0.0.1]" },
  });
  const tokens = {
    none: [],
    good: [`authorization: Bearer ${await at.idp.token({ scope: "mcp:tools orders:read" })}`],
    short: [`authorization: Bearer ${await at.idp.token({ scope: "mcp:tools" })}`],
  };
  const request = requestBytes(at.url, { headers: [...headers, ...tokens[token]], body });
  // From now on the token is known.
  await answer(at.url, request, true);
  const before = (await at.audit()).length;
  const inTwo = await answer(at.url, request, true);
  const between = (await at.audit()).length;
  const inOne = await answer(at.url, request, false);
  expect(inOne).toBe(inTwo);
  expect(inOne).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  const records = await at.audit();
  const told = (list: typeof records): object[] =>
    list.map(({ event, outcome, reason }) => ({ event, outcome, reason }));
  expect(told(records.slice(between))).toEqual(told(records.slice(before, between)));
});
