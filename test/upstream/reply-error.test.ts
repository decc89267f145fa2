import { describe, expect, test, vi } from "vitest";
import { json, mapper, noon, reply, textOf } from "./reply-fixture.ts";

const get = mapper({ method: "GET", path: "/orders" });
const correct = "Correct the arguments and retry.";
const head = "HTTP 422 Unprocessable Entity from POST /orders/{id}";

/** The lines between the status and the hint. */
function digest(body: unknown): readonly string[] {
  const answer = reply(422, json, JSON.stringify(body));
  expect(answer).toMatchObject({ isError: true, structured: undefined });
  const lines = textOf(answer).split("\n");
  expect(lines[0]).toBe(head);
  expect(lines.at(-1)).toBe(correct);
  return lines.slice(1, -1);
}

describe("the digest of an error body", () => {
  test.each([
    {
      format: "RFC 9457",
      body: {
        type: "about:blank",
        title: "Unprocessable Entity",
        status: 422,
        detail: "Two fields are wrong.",
        errors: [
          { detail: "must be positive", pointer: "#/items/0/quantity" },
          { detail: "is unknown", pointer: "/customer" },
        ],
      },
      lines: [
        "Two fields are wrong.",
        "- body.items[0].quantity: must be positive",
        "- body.customer: is unknown",
      ],
    },
    {
      format: "RFC 9457 with a type of its own",
      body: { type: "https://e.test/out-of-stock", title: "Out of stock", instance: "/log/1" },
      lines: ["Out of stock", "type: https://e.test/out-of-stock", "instance: /log/1"],
    },
    {
      format: "RFC 7807 invalid-params",
      body: { title: "Bad", "invalid-params": [{ name: "customer_id", reason: "no number" }] },
      lines: ["Bad", "- customerId: no number"],
    },
    {
      format: "error object",
      body: { error: { message: "Too many", code: "limit", param: "page_size" } },
      lines: ["- limit: Too many (limit)"],
    },
    {
      format: "error object without a place",
      body: { error: { message: "No stock", code: 17, param: null } },
      lines: ["No stock", "code: 17"],
    },
    {
      format: "OAuth error",
      body: { error: "invalid_request", error_description: "date is in the past" },
      lines: ["date is in the past", "invalid_request"],
    },
    {
      format: "message with errors by field",
      body: {
        message: "Invalid.",
        errors: { Customer_Id: ["is required", "is odd"], note: "long" },
      },
      lines: ["Invalid.", "- customerId: is required", "- customerId: is odd", "- body.note: long"],
    },
    {
      format: "message with a list of strings",
      body: { message: "Invalid.", errors: ["a", "b"] },
      lines: ["Invalid.", "- a", "- b"],
    },
    {
      format: "JSON:API",
      body: {
        errors: [
          { title: "Invalid", detail: "too short", source: { pointer: "/data/attributes/name" } },
          { title: "Unknown", source: { parameter: "customer_id" } },
        ],
      },
      lines: ["- body.data.attributes.name: too short (Invalid)", "- customerId: Unknown"],
    },
    {
      format: "FastAPI",
      body: {
        detail: [
          { loc: ["query", "page_size"], msg: "not an integer", type: "int_parsing" },
          { loc: ["body", "items", 0, "sku"], msg: "missing" },
        ],
      },
      lines: ["- limit: not an integer", "- body.items[0].sku: missing"],
    },
    {
      format: "dotted paths",
      body: { violations: [{ propertyPath: "items[2].sku", message: "blank" }] },
      lines: ["- body.items[2].sku: blank"],
    },
    {
      format: "fault",
      body: { fault: { faultstring: "Bad date", detail: { errorcode: "steps.Failed" } } },
      lines: ["Bad date", "code: steps.Failed"],
    },
    {
      format: "Spring",
      body: { status: 422, error: "Unprocessable Entity", message: "No such day", path: "/x" },
      lines: ["No such day"],
    },
    {
      format: "details that are data",
      body: { message: "Full", details: { limit: 10, current: 12 } },
      lines: ["Full", '- {"limit":10,"current":12}'],
    },
    { format: "list", body: [{ message: "m", errorCode: "E" }], lines: ["- m"] },
    { format: "string", body: "no", lines: ["no"] },
    { format: "unknown form", body: { why: { x: [1] } }, lines: ['{"why":{"x":[1]}}'] },
  ])("$format", ({ body, lines }) => {
    expect(digest(body)).toEqual(lines);
  });

  test("keeps to single lines without control, bidi or hidden characters", () => {
    const detail = "a\u001b[2J\nb\u202ec\u200bd\u{e0041}\ufe0f\ud800 é😀";
    expect(digest({ detail })).toEqual(["a [2J bcd é😀"]);
  });

  test("keeps at most 20 findings", () => {
    const lines = digest({ errors: Array.from({ length: 50 }, (_, i) => `finding ${i}`) });
    expect(lines.length).toBe(21);
    expect(lines.at(-1)).toBe("- …");
  });

  test("is cut at 2,000 characters, the hint stays", () => {
    const errors = Array.from({ length: 20 }, (_, i) => `${i}${"😀".repeat(400)}`);
    const text = textOf(reply(422, json, JSON.stringify({ title: "t", errors })));
    expect(text.length).toBeLessThanOrEqual(2000);
    expect(text.length).toBeGreaterThan(1900);
    expect(text.endsWith(`…\n${correct}`)).toBe(true);
    expect(Buffer.from(text).toString()).toBe(text);
  });

  test("of a body nested without end is bounded", () => {
    const deep = `{"error":`.repeat(20_000) + '"x"' + "}".repeat(20_000);
    const errors = `{"errors":[${"[".repeat(20_000)}${"]".repeat(20_000)}]}`;
    for (const body of [deep, errors])
      expect(textOf(reply(422, json, body)).length).toBeLessThanOrEqual(2000);
  });
});

test.each([
  { type: "text/plain", body: "No\u0007 stock\r\n\r\nleft", lines: ["No stock", "left"] },
  { type: "application/xml", body: "<e>no</e>", lines: ["<e>no</e>"] },
  { type: "text/html", body: "<title>\nProxy</title><p>x", lines: ["[an HTML page: Proxy]"] },
  { type: "text/html", body: "<p>x", lines: ["[an HTML page]"] },
  { type: "image/png", body: "1234", lines: ["[image/png, 4 bytes]"] },
  { type: "application/json", body: "{oops", lines: ["{oops"] },
  { type: "", body: '{"detail":"no"}', lines: ["no"] },
  { type: "", body: "", lines: [] },
])("a $type error body $body becomes $lines", ({ type, body, lines }) => {
  const text = textOf(reply(422, { "content-type": type }, body));
  expect(text).toBe([head, ...lines, correct].join("\n"));
});

const after = (value: string): Record<string, string> => ({ "retry-after": value });
const inAMinute = new Date(noon + 60_000).toUTCString();
const mayRetry = "This is not caused by your input; you may retry.";
const mustCheck =
  "This is not caused by your input. Do not repeat the call before checking whether it took effect.";

test.each([
  { status: 400, headers: {}, hint: correct },
  { status: 401, headers: {}, hint: "The gateway's credential was rejected; do not retry." },
  { status: 403, headers: {}, hint: "The gateway's credential was rejected; do not retry." },
  { status: 404, headers: {}, hint: "Nothing was found there: check the identifiers." },
  {
    status: 409,
    headers: {},
    hint: "The resource is in a state that conflicts with this call: read it again first.",
  },
  { status: 413, headers: {}, hint: "The request is too large: send less." },
  { status: 429, headers: {}, hint: "Too many requests: wait before you retry." },
  { status: 429, headers: after("30"), hint: "Retry after 30 seconds." },
  { status: 429, headers: after(inAMinute), hint: "Retry after 60 seconds." },
  { status: 429, headers: after("Wed Oct  7 12:00:05 2026"), hint: "Retry after 5 seconds." },
  {
    status: 429,
    headers: after("Wednesday, 07-Oct-26 11:00:00 GMT"),
    hint: "Retry after 0 seconds.",
  },
  { status: 429, headers: after("soon"), hint: "Too many requests: wait before you retry." },
  { status: 429, headers: after("-5"), hint: "Too many requests: wait before you retry." },
  { status: 503, headers: after("7"), hint: "Retry after 7 seconds." },
  { status: 503, headers: {}, hint: mustCheck },
  { status: 500, headers: after("7"), hint: mustCheck },
])("$status with $headers has the hint: $hint", ({ status, headers, hint }) => {
  expect(textOf(reply(status, headers)).split("\n").at(-1)).toBe(hint);
});

test("a date without a zone is in GMT, wherever the gateway runs", () => {
  vi.stubEnv("TZ", "America/New_York");
  try {
    const answer = reply(429, after("Wed Oct  7 12:00:05 2026"));
    expect(textOf(answer)).toContain("Retry after 5 seconds.");
  } finally {
    vi.unstubAllEnvs();
  }
});

test.each(["GET", "HEAD", "PUT", "DELETE"])("%s may be retried after a 502", (method) => {
  const map = mapper({ method, path: "/orders" });
  expect(textOf(reply(502, {}, "", map))).toBe(
    `HTTP 502 Bad Gateway from ${method} /orders\n${mayRetry}`,
  );
});

test.each(["POST", "PATCH", "LOCK"])("%s must not be repeated blindly after a 502", (method) => {
  expect(textOf(reply(502, {}, "", mapper({ method })))).toContain(mustCheck);
});

test.each([418, 501, 599, 999])("%i is an error without advice", (status) => {
  expect(reply(status, {}, "", get)).toMatchObject({ isError: true, structured: undefined });
});

test("a redirect is told, not followed", () => {
  const answer = reply(302, { location: "https://elsewhere.test/\u202e\nlogin" }, "", get);
  expect(answer).toMatchObject({ isError: true, structured: undefined });
  expect(textOf(answer)).toBe(
    "HTTP 302 Found from GET /orders\nLocation: https://elsewhere.test/ login\nThe redirect was not followed.",
  );
});

test("not modified is no error", () => {
  const answer = reply(304, {}, "", get);
  expect(answer.isError).toBe(false);
  expect(textOf(answer)).toBe(
    "HTTP 304 Not Modified from GET /orders\nThe copy you know is still current.",
  );
});

test.each([
  { path: "customer_id", becomes: "customerId" },
  { path: "Customer_ID", becomes: "customerId" },
  { path: "query.customer_id", becomes: "customerId" },
  { path: "header.X-Unknown", becomes: "X-Unknown" },
  { path: "#/no%74e/~0a~1b", becomes: "theNote.~a/b" },
  { path: "#/%zz", becomes: "%zz" },
  { path: "$.note[0]['x']", becomes: "theNote[0].x" },
  { path: "note", becomes: "theNote" },
  { path: "body.note", becomes: "theNote" },
  { path: "elsewhere", becomes: "elsewhere" },
  { path: ["note", 0, { x: 1 }], becomes: "theNote[0].?" },
])("$path is the argument $becomes", ({ path, becomes }) => {
  const names = {
    parameters: new Map([["customer_id", "customerId"]]),
    properties: new Map([["note", "theNote"]]),
    body: undefined,
  };
  const body = JSON.stringify({ errors: [{ field: path, message: "wrong" }] });
  expect(textOf(reply(400, json, body, mapper({ names })))).toContain(`\n- ${becomes}: wrong\n`);
});
