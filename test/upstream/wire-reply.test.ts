import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { call, eras, send } from "../mcp/wire.ts";
import { inBothEras, sends, text, thing, typed, type Options, type Sent } from "./wire-world.ts";

describe("a JSON answer is compact text and structured content", () => {
  test.each([
    { title: "an object", body: '{ "id": 7,\n "s": "a  b" }', compact: '{"id":7,"s":"a  b"}' },
    { title: "an array", body: "[1, {}]", compact: "[1,{}]" },
    { title: "a string", body: ' "x"', compact: '"x"' },
    { title: "a number", body: "2.50", compact: "2.50" },
    { title: "null", body: "null", compact: "null" },
    { title: "+json", type: "application/vnd.acme.v2+json; charset=utf-8", body: '{"a":1}' },
    { title: "text/json", type: "text/json", body: "[1]" },
    { title: "an object without a type", type: "", body: '{"a":1}' },
    { title: "an array without a type", type: "", body: " [1]", compact: "[1]" },
    { title: "an ill type", type: "nonsense", body: '{"a":1}' },
  ])("$title", async ({ body, compact = body, type = "application/json" }) => {
    const made = await thing({ declared: "json" });
    made.api.answer = sends({ headers: type === "" ? {} : { "content-type": type }, body });
    const value = JSON.parse(body) as unknown;
    const isObject = body.trim().startsWith("{");
    const { legacy, modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text(compact)], structuredContent: value });
    expect(legacy).toEqual({
      content: [text(compact)],
      structuredContent: isObject ? value : { result: value },
    });
  });

  test("whole numbers beyond 2^53 come as the API wrote them, in text and structure", async () => {
    const made = await thing({ declared: "json" });
    const body = '{"id":9007199254740993,"ids":[12345678901234567890],"price":1.10}';
    made.api.answer = sends({ headers: { "content-type": "application/json" }, body });
    const authorization = `Bearer ${await made.idp.token()}`;
    for (const { request } of eras) {
      const { body: asked, headers } = request("tools/call", call("thing"));
      const answer = await send(made.url, asked, { ...headers, authorization });
      expect(answer.text).toContain(`"content":[{"type":"text","text":${JSON.stringify(body)}}]`);
      expect(answer.text).toContain(`"structuredContent":${body}`);
    }
  });
});

const blob = Buffer.from([0, 255, 1, 254, 0x80]);
const file = (mimeType: string): object => ({
  type: "resource",
  resource: {
    uri: `tollgate://result/${hash("sha256", blob, "base64url").slice(0, 22)}`,
    mimeType,
    blob: blob.toString("base64"),
  },
});

interface Row {
  readonly title: string;
  readonly sent: Sent;
  readonly content: readonly object[];
  readonly isError?: boolean;
  readonly options?: Options;
}

const nothing: readonly Row[] = [
  {
    title: "204",
    sent: { status: 204 },
    content: [text("Success (204 No Content)")],
    options: { declared: "nothing" },
  },
  { title: "205", sent: { status: 205 }, content: [text("Success (205 Reset Content)")] },
  {
    title: "an empty 201 with its Location",
    sent: { status: 201, headers: { location: "/things/7" } },
    content: [text("Success (201 Created)\nLocation: /things/7")],
  },
  {
    title: "204 with its Location",
    sent: { status: 204, headers: { location: "https://api.test/things/7" } },
    content: [text("Success (204 No Content)\nLocation: https://api.test/things/7")],
  },
  {
    title: "an empty 200 declared as JSON",
    sent: typed("application/json", ""),
    content: [text("Success (200 OK)")],
    options: { declared: "json" },
  },
  {
    title: "HEAD of something larger than the limit",
    sent: { headers: { "content-type": "application/json", "content-length": "99999999" } },
    content: [text("Success (200 OK)")],
    options: { method: "head" },
  },
];

const texts: readonly Row[] = [
  { title: "text", sent: typed("text/plain", "hé\r\n  ☃"), content: [text("hé\r\n  ☃")] },
  { title: "CSV", sent: typed("text/csv", "a,b\n1,2\n"), content: [text("a,b\n1,2\n")] },
  { title: "XML", sent: typed("application/xml", "<a>é</a>"), content: [text("<a>é</a>")] },
  { title: "+xml", sent: typed("application/atom+xml", "<a/>"), content: [text("<a/>")] },
  { title: "YAML", sent: typed("application/yaml", "a: 1\n"), content: [text("a: 1\n")] },
  { title: "HTML", sent: typed("text/html", "<p>é</p>"), content: [text("<p>é</p>")] },
  {
    title: "text in Latin-1",
    sent: typed("text/plain; charset=iso-8859-1", Buffer.from("é", "latin1")),
    content: [text("é")],
  },
  {
    title: "CSV in Shift_JIS",
    sent: typed('text/csv; charset="Shift_JIS"', Buffer.from([0x93, 0xfa, 0x96, 0x7b])),
    content: [text("日本")],
  },
  {
    title: "XML in UTF-16",
    sent: typed("application/xml; charset=utf-16", Buffer.from("\ufeff<a>é</a>", "utf16le")),
    content: [text("<a>é</a>")],
  },
  {
    title: "text with a byte order mark",
    sent: typed("text/plain", "\ufeffa"),
    content: [text("a")],
  },
  { title: "text without a type", sent: { body: "plain" }, content: [text("plain")] },
];

const bytes: readonly Row[] = [
  {
    title: "an image",
    sent: typed("image/png", blob),
    content: [{ type: "image", data: blob.toString("base64"), mimeType: "image/png" }],
  },
  {
    title: "a sound",
    sent: typed("audio/mpeg; rate=44100", blob),
    content: [{ type: "audio", data: blob.toString("base64"), mimeType: "audio/mpeg" }],
  },
  ...["application/pdf", "application/zip", "application/octet-stream", "video/mp4"].map(
    (type) => ({ title: type, sent: typed(type, blob), content: [file(type)] }),
  ),
  {
    title: "bytes without a type",
    sent: { body: blob },
    content: [file("application/octet-stream")],
  },
  {
    title: "an image beyond the limit",
    sent: typed("image/png", Buffer.alloc(5_242_881)),
    content: [text("[image/png, 5242881 bytes: left out, the limit is 5242880 bytes]")],
    options: { extra: { top: "limits: {responseSize: 8MiB}" } },
  },
  {
    title: "multipart/mixed",
    sent: typed(
      "multipart/mixed; boundary=b",
      Buffer.concat([
        Buffer.from("--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n"),
        Buffer.from("Content-Type: image/png\r\n\r\n"),
        blob,
        Buffer.from("\r\n--b\r\nContent-Type: application/json\r\nContent-Location: /o/7\r\n\r\n"),
        Buffer.from('{ "id": 7 }\r\n--b--'),
      ]),
    ),
    content: [
      text("hello"),
      { type: "image", data: blob.toString("base64"), mimeType: "image/png" },
      {
        type: "resource",
        resource: {
          uri: "tollgate://result/o/7",
          mimeType: "application/json",
          text: '{"id":7}',
        },
      },
    ],
  },
];

const wrong: readonly Row[] = [
  {
    title: "JSON that is none",
    sent: typed("application/json", "{'id': 7}"),
    content: [text("{'id': 7}\n[declared as application/json, but not valid JSON]")],
    options: { declared: "json" },
  },
  {
    title: "HTML in place of JSON",
    sent: typed("text/html; charset=utf-8", "<!doctype html><title>Log in</title>"),
    content: [text("HTTP 200 OK from GET /thing: expected JSON, got text/html")],
    isError: true,
    options: { declared: "json" },
  },
  {
    title: "a body larger than the limit",
    sent: typed("text/plain", "x".repeat(1001)),
    content: [
      text(
        "The answer is larger than 1000 bytes. Ask for less: a smaller page, fewer fields, a narrower filter.",
      ),
    ],
    isError: true,
    options: { extra: { top: "limits: {responseSize: 1000B}" } },
  },
  {
    title: "a body larger than the limit after decompression",
    sent: typed("text/plain", gzipSync("x".repeat(1001)), {
      headers: { "content-encoding": "gzip" },
    }),
    content: [
      text(
        "The answer is larger than 1000 bytes. Ask for less: a smaller page, fewer fields, a narrower filter.",
      ),
    ],
    isError: true,
    options: { extra: { top: "limits: {responseSize: 1000B}" } },
  },
  {
    title: "a coding nobody asked for",
    sent: typed("text/plain", "x", { headers: { "content-encoding": "zap" } }),
    content: [text("The API answered in an unknown content coding.")],
    isError: true,
  },
  {
    title: "a broken coding",
    sent: typed("text/plain", "no gzip", { headers: { "content-encoding": "gzip" } }),
    content: [text("The API's answer was not valid HTTP.")],
    isError: true,
  },
];

describe.each([
  { kind: "without content", rows: nothing },
  { kind: "of text", rows: texts },
  { kind: "of bytes", rows: bytes },
  { kind: "that is wrong", rows: wrong },
])("an answer $kind has no structured content", ({ rows }) => {
  test.each(rows)("$title", async ({ sent, content, isError = false, options }) => {
    const made = await thing(options);
    made.api.answer = sends(sent);
    const expected = { content, ...(isError ? { isError } : {}) };
    expect(await inBothEras(made)).toEqual({ legacy: expected, modern: expected });
  });
});

describe("a compressed answer is read", () => {
  const plain = '{"ok":true,"s":"☃"}';
  test.each([
    { coding: "gzip", body: gzipSync(plain) },
    { coding: "x-gzip", body: gzipSync(plain) },
    { coding: "GZIP", body: gzipSync(plain) },
    { coding: "deflate", body: deflateSync(plain) },
    { coding: "deflate", body: deflateRawSync(plain) },
    { coding: "br", body: brotliCompressSync(plain) },
    { coding: "identity", body: Buffer.from(plain) },
  ])("$coding", async ({ coding, body }) => {
    const made = await thing({ declared: "json" });
    const headers = { "content-encoding": coding };
    made.api.answer = sends(typed("application/json", body, { headers }));
    const { legacy, modern } = await inBothEras(made);
    expect(legacy).toEqual({ content: [text(plain)], structuredContent: JSON.parse(plain) });
    expect(modern).toEqual(legacy);
  });

  test("F11: at the limit, counted after decompression", async () => {
    const made = await thing({ extra: { top: "limits: {responseSize: 1000B}" } });
    const headers = { "content-encoding": "gzip" };
    made.api.answer = sends(typed("text/plain", gzipSync("x".repeat(1000)), { headers }));
    const { modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text("x".repeat(1000))] });
  });
});

describe("a stream is a list", () => {
  test.each([
    { type: "application/x-ndjson", body: '{"a": 1}\n\n{"a": 2}\n' },
    { type: "application/jsonl", body: '{"a": 1}\r\n{"a": 2}' },
    { type: "application/json-seq", body: '\u001e{"a": 1}\n\u001e{"a": 2}\n' },
    {
      type: "text/event-stream",
      body: ': hi\n\nevent: x\ndata: {"a": 1}\n\ndata: {"a":\ndata: 2}',
    },
  ])("$type", async ({ type, body }) => {
    const made = await thing();
    made.api.answer = sends(typed(type, body));
    const { legacy, modern } = await inBothEras(made);
    const items = [{ a: 1 }, { a: 2 }];
    const content = [text('[{"a":1},{"a":2}]')];
    expect(modern).toEqual({ content, structuredContent: items });
    expect(legacy).toEqual({ content, structuredContent: { result: items } });
  });

  test("of at most 1000 items", async () => {
    const made = await thing();
    made.api.answer = sends(typed("application/x-ndjson", "1\n".repeat(1200)));
    const { legacy, modern } = await inBothEras(made);
    expect(legacy).toEqual(modern);
    const [block] = modern.content as readonly { readonly text: string }[];
    const shown = JSON.parse(block?.text ?? "") as { items: unknown[]; _truncated: object };
    expect(shown.items).toHaveLength(1000);
    expect(shown["_truncated"]).toEqual({ returned: 1000, total: 1200, hint: "ask for less" });
    expect(modern).not.toHaveProperty("structuredContent");
  });

  test.each(eras)("of events reports progress, then its result, to $era", async ({ request }) => {
    const made = await thing();
    made.api.answer = sends(
      typed(
        "text/event-stream",
        'data: {"progress":1,"total":3,"message":"one"}\n\ndata: {"progress":2}\n\ndata: {"progress":2}\n\ndata: {"done":true}\n\n',
      ),
    );
    const { body, headers } = request("tools/call", {
      name: "thing",
      arguments: {},
      _meta: { progressToken: "t" },
    });
    const authorization = `Bearer ${await made.idp.token()}`;
    const { messages } = await send(made.url, body, { ...headers, authorization });
    const told = messages.filter(({ method }) => method === "notifications/progress");
    expect(told.map(({ params }) => params)).toEqual([
      { progressToken: "t", progress: 1, total: 3, message: "one" },
      { progressToken: "t", progress: 2 },
    ]);
    expect(messages.at(-1)?.result).toMatchObject({
      content: [text('{"done":true}')],
      structuredContent: { done: true },
    });
  });
});

describe("S61: a large answer", () => {
  test("is cut by structure to 100,000 characters", async () => {
    const made = await thing({ declared: "json" });
    const rows = Array.from({ length: 4000 }, (_, id) => ({ id, note: "n".repeat(40) }));
    made.api.answer = sends(typed("application/json", JSON.stringify({ total: 4000, rows })));
    const { legacy, modern } = await inBothEras(made);
    expect(legacy).toEqual(modern);
    expect(modern).not.toHaveProperty("structuredContent");
    const [block] = modern.content as readonly { readonly text: string }[];
    const shown = block?.text ?? "";
    expect(shown.length).toBeLessThanOrEqual(100_000);
    expect(shown.length).toBeGreaterThan(95_000);
    const value = JSON.parse(shown) as { rows: object[]; total: number; _truncated: object };
    expect(value.total).toBe(4000);
    expect(value.rows).toEqual(rows.slice(0, value.rows.length));
    expect(value["_truncated"]).toEqual({
      returned: value.rows.length,
      total: 4000,
      hint: "ask for less",
    });
  });

  test("of text is cut with a note", async () => {
    const made = await thing();
    made.api.answer = sends(typed("text/plain", "y".repeat(100_001)));
    const { modern } = await inBothEras(made);
    expect(modern.content).toEqual([
      text(`${"y".repeat(100_000)}\n[cut: the first 100000 of 100001 characters]`),
    ]);
  });
});

test.each([
  { title: "told", headers: (body: string) => ({ "content-length": Buffer.byteLength(body) }) },
  { title: "not told", headers: () => ({}) },
])("a large answer arrives whole when its length is $title", async ({ headers }) => {
  const made = await thing({ declared: "json", response: "{maxTokens: 1000000}" });
  const rows = Array.from({ length: 9_000 }, (_, id) => ({ id, note: `é “${id}” \n` }));
  const body = JSON.stringify({ rows });
  made.api.answer = (_, response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers(body) });
    const whole = Buffer.from(body);
    response.write(whole.subarray(0, 100_001));
    response.end(whole.subarray(100_001));
  };
  const { legacy, modern } = await inBothEras(made);
  for (const result of [legacy, modern]) {
    expect(result).toEqual({ content: [text(body)], structuredContent: { rows } });
  }
});

/** 256 KiB is where a reply begins to be sent in pieces. */
test.each([262_143, 262_144, 262_145, 300_001])(
  "an array of %i bytes arrives whole, for clients that need an object inside of one",
  async (length) => {
    const made = await thing({ declared: "json", response: "{maxTokens: 1000000}" });
    const start = '["é\\n","';
    const body = `${start}${"x".repeat(length - Buffer.byteLength(start) - 2)}"]`;
    expect(Buffer.byteLength(body)).toBe(length);
    made.api.answer = sends(typed("application/json", body));
    const { legacy, modern } = await inBothEras(made);
    const value = JSON.parse(body) as unknown;
    expect(modern).toEqual({ content: [text(body)], structuredContent: value });
    expect(legacy).toEqual({ content: [text(body)], structuredContent: { result: value } });
  },
);
