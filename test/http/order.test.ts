import { METHODS } from "node:http";
import { describe, expect, test } from "vitest";
import { world, type World } from "../world/world.ts";
import { requestBytes, sendRaw, type RawResponse } from "./raw.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
const accept = "accept: application/json, text/event-stream";
const json = "content-type: application/json";

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly headers?: readonly string[];
  /** The default is a good token. */
  readonly token?: "good" | "none" | "bad";
  readonly body?: string | Buffer;
  readonly status: number;
  readonly error?: string;
  readonly audit?: object | undefined;
}

async function send(at: World, request: Omit<Case, "name" | "status">): Promise<RawResponse> {
  const { token = "good", headers = [json, accept], method = "POST", body = list } = request;
  const credentials = {
    good: [`authorization: Bearer ${await at.idp.token()}`],
    bad: ["authorization: Bearer a.b.c"],
    none: [],
  }[token];
  const all = [...headers, ...credentials];
  return sendRaw(at.url, requestBytes(at.url, { method, headers: all, body }));
}

const evilHost = "host: evil.example";
const evilOrigin = "origin: http://evil.example";
const text = "content-type: text/plain";
const large = " ".repeat(2_000);
const rejected = (reason: string): object => ({
  event: "request.reject",
  outcome: "denied",
  reason,
});
const denied = (reason: string): object => ({ event: "auth.deny", outcome: "denied", reason });

// Every request is wrong in everything that is checked after what it is refused for.
const ladder: readonly Case[] = [
  {
    name: "a foreign Host comes before everything",
    method: "GET",
    headers: [evilHost, evilOrigin, text],
    token: "none",
    body: large,
    status: 403,
    error: "host_not_allowed",
    audit: rejected("host_not_allowed"),
  },
  {
    name: "a foreign Origin comes before the token",
    method: "GET",
    headers: [evilOrigin, text],
    token: "none",
    body: large,
    status: 403,
    error: "origin_not_allowed",
    audit: rejected("origin_not_allowed"),
  },
  {
    name: "a missing token comes before the method",
    method: "DELETE",
    headers: [text],
    token: "none",
    body: large,
    status: 401,
    error: "missing_token",
    audit: denied("no_token"),
  },
  {
    name: "a bad token comes before the media type",
    headers: [text],
    token: "bad",
    body: large,
    status: 401,
    error: "invalid_token",
    audit: denied("malformed_token"),
  },
  {
    name: "the method comes before the media type",
    method: "PUT",
    headers: [text],
    body: large,
    status: 405,
    error: "method_not_allowed",
    audit: rejected("method_not_allowed"),
  },
  {
    name: "the media type comes before the size",
    headers: [text],
    body: large,
    status: 415,
    error: "unsupported_media_type",
    audit: rejected("unsupported_media_type"),
  },
  {
    name: "the size comes before the syntax",
    headers: [json, accept],
    body: `{"${large}`,
    status: 413,
    error: "request_too_large",
    audit: rejected("request_too_large"),
  },
  {
    name: "a body without length is counted while it comes",
    headers: [json, accept, "transfer-encoding: chunked"],
    body: `7d0\r\n${large}\r\n0\r\n\r\n`,
    status: 413,
    error: "request_too_large",
    audit: rejected("request_too_large"),
  },
];

test.each(ladder)("$name", async ({ status, error, audit, ...request }) => {
  const at = await world({ spec, extra: { top: "limits: {requestSize: 1KiB}" } });
  const response = await send(at, request);
  expect(response).toMatchObject({ status });
  expect(JSON.parse(response.body)).toMatchObject({ error });
  expect(await at.audit()).toMatchObject(audit ? [audit] : []);
  expect(at.api.requests).toEqual([]);
  expect(at.idp.tokenRequests).toEqual([]);
});

describe("S42: media types", () => {
  test.each([
    { headers: [], status: 415 },
    { headers: ["content-type: "], status: 415 },
    { headers: ["content-type: text/plain"], status: 415 },
    { headers: ["content-type: application/jsonx"], status: 415 },
    { headers: ["content-type: application/json-rpc"], status: 415 },
    { headers: ["content-type: application/x-www-form-urlencoded"], status: 415 },
    { headers: ["content-type: multipart/form-data; boundary=x"], status: 415 },
    { headers: ["content-type: text/plain; x=application/json"], status: 415 },
    { headers: [json, "content-encoding: gzip"], status: 415 },
    { headers: [json, "content-encoding: identity"], status: 415 },
    { headers: ["content-type: application/json; charset=utf-8"], status: 200 },
    { headers: ["Content-Type: Application/JSON"], status: 200 },
  ])("$headers answers $status", async ({ headers, status }) => {
    const response = await send(await world({ spec }), { headers: [accept, ...headers] });
    expect(response.status).toBe(status);
  });
});

describe("S43, S45, S49: what is no JSON is 400 with -32700", () => {
  const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  test.each<{ readonly what: string; readonly body: string | Buffer; readonly code: number }>([
    { what: "nothing", body: "", code: -32700 },
    { what: "half an object", body: '{"jsonrpc":', code: -32700 },
    { what: "a comment", body: `// hi\n${list}`, code: -32700 },
    { what: "two values", body: `${list}${list}`, code: -32700 },
    { what: "a byte order mark", body: `\uFEFF${list}`, code: -32700 },
    { what: "invalid UTF-8", body: Buffer.from([0x22, 0xff, 0x22]), code: -32700 },
    { what: "UTF-16", body: Buffer.from(list, "utf16le"), code: -32700 },
    { what: "half a surrogate pair", body: String.raw`{"id":"\ud800"}`, code: -32700 },
    { what: "half a pair in a name", body: String.raw`{"\uDC00":1}`, code: -32700 },
    { what: "65 levels", body: nested(65), code: -32700 },
    { what: "100,000 levels", body: nested(100_000), code: -32700 },
    { what: "a name twice", body: '{"jsonrpc":"2.0","id":1,"id":2}', code: -32700 },
    { what: "a name twice deep down", body: '{"params":[{"a":{"b":1,"b":1}}]}', code: -32700 },
    { what: "a name twice, once escaped", body: String.raw`{"id":1,"\u0069d":2}`, code: -32700 },
    { what: "null", body: "null", code: -32600 },
    { what: "a number", body: "7", code: -32600 },
    { what: "64 levels", body: nested(64), code: -32600 },
  ])("$what is refused with $code", async ({ body, code }) => {
    const at = await world({ spec });
    const length = `content-length: ${Buffer.byteLength(body)}`;
    const response = await send(at, { body, headers: [json, accept, length] });
    expect(response.status).toBe(400);
    expect(JSON.parse(response.body)).toMatchObject({ jsonrpc: "2.0", id: null, error: { code } });
  });
});

describe("methods", () => {
  const others = METHODS.filter((method) => method !== "POST" && method !== "CONNECT");
  test("S38: every method but POST asks for a token first and is then refused", async () => {
    const at = await world({ spec });
    const metadata = `${new URL(at.url).origin}/.well-known/oauth-protected-resource/mcp`;
    for (const method of others) {
      const without = await send(at, { method, token: "none", headers: [], body: "" });
      expect.soft([method, without.status]).toEqual([method, 401]);
      expect
        .soft(without.headers.get("www-authenticate"))
        .toEqual([`Bearer resource_metadata="${metadata}", scope="mcp:tools"`]);
      const response = await send(at, { method, headers: [], body: "" });
      expect.soft([method, response.status]).toEqual([method, 405]);
      expect.soft(response.headers.get("allow")).toEqual(["POST"]);
    }
  });
});

describe("S26: what the parser itself refuses never reaches a check", () => {
  test.each([
    { what: "length and chunks", headers: ["content-length: 3", "transfer-encoding: chunked"] },
    { what: "two lengths", headers: ["content-length: 3", "content-length: 4"] },
    { what: "a folded header", headers: ["x-a: b\r\n c"] },
    { what: "a space before the colon", headers: ["authorization : Bearer x"] },
    { what: "a bare line feed", headers: ["x-a: b\nx-c: d"] },
    { what: "a NUL", headers: ["x-a: \0"] },
  ])("$what is 400", async ({ headers }) => {
    const at = await world({ spec });
    const response = await send(at, { headers: [json, accept, ...headers], body: "abc" });
    expect(response.status).toBe(400);
    expect(at.api.requests).toEqual([]);
  });
});
