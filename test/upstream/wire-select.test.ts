import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/base/errors.ts";
import { inBothEras, sends, text, thing, typed } from "./wire-world.ts";

const big = "9007199254740993";

const orders = JSON.stringify({
  total: 3,
  items: [
    { id: "big", status: "open", customer: { name: "Ann", phone: "1" }, tags: ["a"] },
    { id: 2, status: "closed", customer: { name: "Bob", phone: "2" }, tags: [] },
  ],
}).replace('"big"', big);

describe("select and fields decide what is left of a JSON answer", () => {
  test.each([
    { response: '{select: "items[].status"}', shown: '["open","closed"]' },
    {
      response: "{select: \"items[?status == 'open'] | [0].{id: id, who: customer.name}\"}",
      shown: `{"id":${big},"who":"Ann"}`,
    },
    { response: '{select: "items[].id"}', shown: `[${big},2]` },
    { response: "{select: \"join('-', items[].to_string(id))\"}", shown: `"${big}-2"` },
    { response: "{select: total}", shown: "3" },
    { response: "{select: nothing.there}", shown: "null" },
    { response: "{select: constructor}", shown: "null" },
    { response: "{fields: [total]}", shown: '{"total":3}' },
    {
      response: "{fields: [items.id, items.customer.name]}",
      shown: `{"items":[{"id":${big},"customer":{"name":"Ann"}},{"id":2,"customer":{"name":"Bob"}}]}`,
    },
    {
      response: "{fields: [items.tags, items, nothing]}",
      shown: orders.slice('{"total":3,'.length).replace(/^/, "{"),
    },
    { response: "{select: items, fields: [id]}", shown: `[{"id":${big}},{"id":2}]` },
  ])("$response", async ({ response, shown }) => {
    const made = await thing({ declared: "json", response });
    made.api.answer = sends(typed("application/json; charset=utf-8", ` ${orders}\n`));
    const { legacy, modern } = await inBothEras(made);
    expect(legacy.content).toEqual([text(shown)]);
    const value: unknown = JSON.parse(shown);
    expect(modern).toEqual({ content: [text(shown)], structuredContent: value });
    expect(legacy.structuredContent).toEqual(shown.startsWith("{") ? value : { result: value });
  });

  test.each([
    { type: "application/x-ndjson", body: '{"a":1,"b":2}\n{"a":3}\n', shown: "[1,3]" },
    { type: "text/event-stream", body: 'data: {"a":1}\n\ndata: [DONE]\n\n', shown: "[1]" },
  ])("of a stream of $type", async ({ type, body, shown }) => {
    const made = await thing({ response: '{select: "[].a"}' });
    made.api.answer = sends(typed(type, body));
    const { modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text(shown)], structuredContent: JSON.parse(shown) });
  });

  test.each([
    { sent: typed("text/csv", "secret,1"), why: "expected JSON, got text/csv" },
    { sent: typed("image/png", "secret"), why: "expected JSON, got image/png" },
    {
      sent: typed("application/json", "{secret"),
      why: "expected JSON, got application/json that is not valid",
    },
    {
      sent: typed("application/x-ndjson", "secret"),
      why: "expected JSON, got application/x-ndjson that is not valid",
    },
    {
      sent: typed("application/json", '{"secret":1}'),
      why: "the answer has another form than this tool was made for",
    },
  ])("what it cannot be applied to is not shown: $why", async ({ sent, why }) => {
    const made = await thing({ response: '{select: "length(items)"}' });
    made.api.answer = sends(sent);
    const expected = {
      content: [text(`HTTP 200 OK from GET /thing: ${why}`)],
      isError: true,
    };
    expect(await inBothEras(made)).toEqual({ legacy: expected, modern: expected });
  });

  test("errors of the API and empty answers stay as they are", async () => {
    const made = await thing({ response: "{select: a}" });
    made.api.answer = sends({ ...typed("application/json", '{"message":"gone"}'), status: 410 });
    const gone = await inBothEras(made);
    expect(gone.modern.content).toEqual([text("HTTP 410 Gone from GET /thing\ngone")]);
    made.api.answer = sends({ status: 204 });
    const empty = await inBothEras(made);
    expect(empty.modern).toEqual({ content: [text("Success (204 No Content)")] });
  });
});

describe("maxTokens is the budget of the text", () => {
  test("counted after select", async () => {
    const made = await thing({ response: '{select: "[].id", maxTokens: 100}' });
    const rows = Array.from({ length: 30 }, (_, id) => ({ id, text: "x".repeat(100) }));
    made.api.answer = sends(typed("application/json", JSON.stringify(rows)));
    const ids = rows.map(({ id }) => id);
    const { modern } = await inBothEras(made);
    expect(modern).toEqual({ content: [text(JSON.stringify(ids))], structuredContent: ids });
  });

  test.each([
    { title: "rows", value: Array.from({ length: 200 }, (_, id) => ({ id, n: '\\"é' })) },
    { title: "one long text", value: { s: '"\\\n'.repeat(500) } },
    { title: "a list in a list", value: { a: { b: Array.from({ length: 300 }, (_, i) => i) } } },
    {
      title: "a number of digits",
      value: Array.from({ length: 60 }, () => Number.MAX_SAFE_INTEGER),
    },
  ])("$title: shorter, still JSON, no structured content", async ({ value }) => {
    const made = await thing({ response: "{maxTokens: 125}" });
    made.api.answer = sends(typed("application/json", JSON.stringify(value)));
    const { legacy, modern } = await inBothEras(made);
    expect(legacy).toEqual(modern);
    expect(Object.keys(modern)).toEqual(["content"]);
    const [block] = modern.content as readonly { readonly text: string }[];
    const shown = block?.text ?? "";
    expect(shown.length).toBeLessThanOrEqual(500);
    expect(JSON.parse(shown)).toMatchObject({
      _truncated: { returned: expect.any(Number) as number, hint: "ask for less" },
    });
  });

  test("of other text too", async () => {
    const made = await thing({ response: "{maxTokens: 100}" });
    made.api.answer = sends(typed("text/plain", "z".repeat(401)));
    const { modern } = await inBothEras(made);
    expect(modern.content).toEqual([
      text(`${"z".repeat(400)}\n[cut: the first 400 of 401 characters]`),
    ]);
  });
});

test.each([
  { select: "items[", why: "select is not a JMESPath expression: expected Star, got: EOF" },
  { select: "a ^ b", why: "select is not a JMESPath expression: unknown character: ^" },
  { select: "lenght(@)", why: "select calls lenght(), which JMESPath does not have" },
  { select: "a[?nosuch(b)].c", why: "select calls nosuch(), which JMESPath does not have" },
])("$select does not load, and says where it stands", async ({ select, why }) => {
  const error: unknown = await thing({ response: `{select: "${select}"}` }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).issues).toMatchObject([
    { severity: "error", code: "invalid_select", message: why, position: { line: 13, column: 47 } },
  ]);
});

test("a literal that looks like a call is data", async () => {
  const made = await thing({ response: '{select: \'`{"type": "Function", "name": "x"}`.name\'}' });
  made.api.answer = sends(typed("application/json", "{}"));
  expect((await inBothEras(made)).modern.content).toEqual([text('"x"')]);
});
