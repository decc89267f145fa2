import { hash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { replyShapeOf } from "../../src/upstream/reply/reply-shape.ts";
import { json, mapper, reply, textOf } from "./reply-fixture.ts";

const anyType = mapper({ expectsJson: false });

describe("JSON", () => {
  test.each([
    { body: '{"id":7}', text: '{"id":7}', isObject: true },
    { body: '{ "id" : 7,\r\n\t"s": "a  b" }\n', text: '{"id":7,"s":"a  b"}', isObject: true },
    { body: "[1, 2]", text: "[1,2]", isObject: false },
    { body: ' "x" ', text: '"x"', isObject: false },
    { body: "null", text: "null", isObject: false },
    { body: "{}", text: "{}", isObject: true },
    // Numbers and escapes stay as written.
    { body: '{"n":12345678901234567890.10e+2}', text: '{"n":12345678901234567890.10e+2}' },
    { body: '{"a":1,"a":2}', text: '{"a":1,"a":2}' },
    { body: '{"s":"\\u00e9\\\\","t": "\\" :"}', text: '{"s":"\\u00e9\\\\","t":"\\" :"}' },
    { body: '{"s":"é\u2028"}', text: '{"s":"é\u2028"}' },
  ])("$body is text and structured value alike", ({ body, text, isObject = true }) => {
    expect(reply(200, json, body)).toEqual({
      content: [{ type: "text", text }],
      structured: { json: text, isObject },
      isError: false,
    });
  });

  test.each([
    { type: "application/problem+json; charset=UTF-8", body: Buffer.from('{"é":1}') },
    { type: "text/json", body: Buffer.from('{"é":1}') },
    { type: undefined, body: Buffer.from(' {"é":1}') },
    { type: "nonsense", body: Buffer.from('{"é":1}') },
    { type: "application/json", body: Buffer.from('\ufeff{"é":1}') },
    { type: undefined, body: Buffer.from('\ufeff{"é":1}') },
    { type: "application/json;charset=iso-8859-1", body: Buffer.from('{"é":1}', "latin1") },
    { type: "application/json; charset=utf-16le", body: Buffer.from('{"é":1}', "utf16le") },
    { type: "application/json", body: Buffer.from('\ufeff{"é":1}', "utf16le") },
    { type: "application/json", body: Buffer.from('{"é":1}', "utf16le") },
    { type: "application/json", body: Buffer.from('{"é":1}', "utf16le").swap16() },
    {
      type: "application/json; charset=UTF-16BE",
      body: Buffer.from('{"é":1}', "utf16le").swap16(),
    },
    { type: "application/json; charset=unheard-of", body: Buffer.from('{"é":1}') },
  ])("is found in $type", ({ type, body }) => {
    const answer = reply(200, type === undefined ? {} : { "content-type": type }, body);
    expect(answer.structured).toEqual({ json: '{"é":1}', isObject: true });
  });

  test.each([
    { body: '"\\ud800"', text: '"\\ufffd"' },
    { body: '"\\uDC00\\ud83d\\ude00\\uD83D"', text: '"\\ufffd\\ud83d\\ude00\\ufffd"' },
    { body: '"\\\\ud800"', text: '"\\\\ud800"' },
  ])("F13: half a surrogate pair in $body can not break the output", ({ body, text }) => {
    expect(reply(200, json, body).structured?.json).toBe(text);
  });

  test("F13: that is not valid is text with a note", () => {
    const answer = reply(200, json, "{'id': 7}");
    expect(textOf(answer)).toBe("{'id': 7}\n[declared as application/json, but not valid JSON]");
    expect(answer).toMatchObject({ structured: undefined, isError: false });
  });

  test("with an address of its own is a resource and still structured", () => {
    const headers = { ...json, "content-location": "/orders/7" };
    expect(reply(200, headers, '{"id": 7}')).toMatchObject({
      content: [
        {
          type: "resource",
          resource: {
            uri: "tollgate://result/orders/7",
            mimeType: "application/json",
            text: '{"id":7}',
          },
        },
      ],
      structured: { json: '{"id":7}', isObject: true },
    });
  });

  test("nested too deep for readers is text only", () => {
    const body = "[".repeat(50_000) + "]".repeat(50_000);
    expect(reply(200, json, body)).toMatchObject({
      content: [{ text: body }],
      structured: undefined,
    });
  });
});

test.each([
  { status: 204, text: "Success (204 No Content)" },
  { status: 205, text: "Success (205 Reset Content)" },
  { status: 200, text: "Success (200 OK)" },
  { status: 299, text: "Success (299)" },
])("an empty $status says so", ({ status, text }) => {
  expect(reply(status, json)).toEqual({
    content: [{ type: "text", text }],
    structured: undefined,
    isError: false,
  });
});

test("an empty answer names the Location it was given", () => {
  expect(textOf(reply(201, { location: "/orders/\u001b7\n8" }))).toBe(
    "Success (201 Created)\nLocation: /orders/ 7 8",
  );
});

test("white space alone is an empty answer", () => {
  expect(textOf(reply(200, json, " \r\n"))).toBe("Success (200 OK)");
});

test.each(["text/html", "text/html; charset=utf-8", "application/xhtml+xml", undefined])(
  "%s in place of declared JSON is an error",
  (type) => {
    const answer = reply(200, type ? { "content-type": type } : {}, "<!DOCTYPE html><p>Log in");
    expect(answer.isError).toBe(true);
    expect(textOf(answer)).toBe(
      `HTTP 200 OK from POST /orders/{id}: expected JSON, got ${type?.split(";")[0] ?? "text/html"}`,
    );
  },
);

test.each([
  "text/plain",
  "text/csv",
  "text/html",
  "text/markdown; charset=utf-8",
  "application/xml",
  "application/atom+xml",
  "image/svg+xml",
  "application/yaml",
  undefined,
])("%s stays text as it is", (type) => {
  const answer = reply(200, type ? { "content-type": type } : {}, "\ufeffa,é\r\n\t<b>", anyType);
  expect(answer).toEqual({
    content: [{ type: "text", text: "a,é\r\n\t<b>" }],
    structured: undefined,
    isError: false,
  });
});

test("text in another charset is read by it", () => {
  const headers = { "content-type": 'text/plain; charset="ISO-8859-1"' };
  expect(textOf(reply(200, headers, Buffer.from("é", "latin1")))).toBe("é");
});

test("S67: text can not drive a terminal", () => {
  const headers = { "content-type": "text/plain" };
  expect(textOf(reply(200, headers, "a\u001b[31mb\u0000\u009bc\n"))).toBe("a[31mbc\n");
});

test("text with an address of its own is a resource", () => {
  const headers = { "content-type": "text/plain", "content-location": "test://doc?a=1" };
  expect(reply(200, headers, "hello").content).toEqual([
    {
      type: "resource",
      resource: { uri: "test://doc?a=1", mimeType: "text/plain", text: "hello" },
    },
  ]);
});

test.each(['a"b', "a b", "a\nb", "x".repeat(3000), "<x>", "é"])(
  "an address that is no URI (%j) is ignored",
  (location) => {
    const headers = { "content-type": "text/plain", "content-location": location };
    expect(reply(200, headers, "hello").content).toEqual([{ type: "text", text: "hello" }]);
  },
);

const bytes = Buffer.from([0, 255, 1, 254]);

test.each([
  { type: "image/png", kind: "image" },
  { type: "audio/wav", kind: "audio" },
])("$type is $kind", ({ type, kind }) => {
  expect(reply(200, { "content-type": `${type}; x=y` }, bytes).content).toEqual([
    { type: kind, data: "AP8B/g==", mimeType: type },
  ]);
});

test.each([
  { type: "application/pdf", mimeType: "application/pdf" },
  { type: undefined, mimeType: "application/octet-stream" },
])("$type is an embedded file named by its bytes", ({ type, mimeType }) => {
  const id = hash("sha256", bytes, "base64url").slice(0, 22);
  expect(reply(200, type ? { "content-type": type } : {}, bytes).content).toEqual([
    {
      type: "resource",
      resource: { uri: `tollgate://result/${id}`, mimeType, blob: "AP8B/g==" },
    },
  ]);
});

test.each(["image/png", "audio/wav", "application/zip"])("a large %s is only noted", (type) => {
  const small = mapper({}, { maxBinaryBytes: 3 });
  expect(reply(200, { "content-type": type }, bytes, small).content).toEqual([
    { type: "text", text: `[${type}, 4 bytes: left out, the limit is 3 bytes]` },
  ]);
});

test("long text is cut between characters, with a note", () => {
  const small = mapper({}, { maxTextChars: 4 });
  const headers = { "content-type": "text/plain" };
  expect(textOf(reply(200, headers, "abc😀def", small))).toBe(
    "abc\n[cut: the first 3 of 8 characters]",
  );
});

test("no bytes, type or status make it throw", () => {
  const types = fc.constantFrom(
    "application/json",
    "application/json; charset=utf-16be",
    "text/plain; charset=shift_jis",
    "text/event-stream",
    "application/x-ndjson",
    "application/json-seq",
    "multipart/mixed; boundary=b",
    "image/png",
    "text/html",
    "",
  );
  const piece = fc.constantFrom("--b\r\n", "\r\n", "{", "[1,", '"', "\\ud800", "data:", "\u001e");
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(piece).map((p) => p.join("")),
  );
  const map = mapper({ expectsJson: false }, { maxTextChars: 60, maxItems: 2 });
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 999 }), types, body, (status, type, content) => {
      const answer = reply(status, { "content-type": type }, content, map);
      expect(answer.content.length).toBeGreaterThan(0);
      const printed = JSON.stringify(answer);
      expect(Buffer.from(printed).toString()).toBe(printed);
    }),
    { numRuns: 5000 },
  );
});

test("the shape of a tool holds the names of what the model supplies", () => {
  const place = (key: string, source: object, target: object): never =>
    ({ key, source, target, default: undefined }) as never;
  const model = { kind: "model" };
  const successes = [
    { status: "200", mediaTypes: ["application/json"] },
    { status: "default", mediaTypes: ["text/html"] },
  ];
  const operation = { method: "PUT", path: "/a/{b}", successes } as never;
  const places = [
    place("customer", model, { kind: "parameter", parameter: { name: "customer_id" } }),
    place("hidden", { kind: "value", value: 1 }, { kind: "parameter", parameter: { name: "h" } }),
    place("note", model, { kind: "property", name: "Note" }),
    place("body", model, { kind: "body" }),
  ];
  const response = {
    select: undefined,
    fields: [],
    headers: ["ETag"],
    schema: "none" as const,
    maxPages: 1,
    maxTokens: 25_000,
  };
  expect(
    replyShapeOf({ operation, unmetSecurity: undefined, places, response, output: undefined }),
  ).toEqual({
    method: "PUT",
    path: "/a/{b}",
    unmetSecurity: undefined,
    expectsJson: true,
    names: {
      parameters: new Map([["customer_id", "customer"]]),
      properties: new Map([["Note", "note"]]),
      body: "body",
    },
    reshape: undefined,
    headers: ["ETag"],
    output: undefined,
    findNext: undefined,
    pagesInBody: false,
    argumentOf: ["customer", "hidden", "note", "body"],
  });
});
