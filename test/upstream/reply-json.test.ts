import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readJson } from "../../src/upstream/reply/json-text.ts";
import { json, mapper, reply, textOf } from "./reply-fixture.ts";

/** JSON texts with white space anywhere it may be, and numbers no double can hold. */
const gap = fc.constantFrom("", "", " ", "\n", "\t \r\n");
const scalar = fc.oneof(
  fc.string({ unit: "grapheme" }).map((s) => JSON.stringify(s)),
  fc.constantFrom("0", "-1.50", "12345678901234567890", "1e+400", "true", "null", '"\\u0041 \\/"'),
);
const jsonText = fc.letrec<{ value: string; list: string; object: string }>((tie) => {
  const spaced = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.tuple(gap, value, gap).map((parts) => parts.join(""));
  const member = fc
    .tuple(spaced(fc.string().map((s) => JSON.stringify(s))), spaced(tie("value")))
    .map(([key, value]) => `${key}:${value}`);
  return {
    value: fc.oneof({ depthSize: "small" }, scalar, tie("list"), tie("object")),
    list: fc.array(spaced(tie("value"))).map((items) => `[${items.join(",")}]`),
    object: fc.array(member).map((members) => `{${members.join(",")}}`),
  };
}).value;

/** Keeps every token as text, so that numbers are compared as they are written. */
function tokens(text: string): readonly string[] {
  return text.match(/"(?:[^"\\]|\\.)*"|[^\s"]/g) ?? [];
}

test("compact JSON has the tokens of the body, and no white space between them", () => {
  fc.assert(
    fc.property(jsonText, gap, (text, around) => {
      const found = readJson(around + text + around);
      expect(tokens(found?.text ?? "")).toEqual(tokens(text));
      expect(found?.text).toBe(tokens(text).join(""));
    }),
    { numRuns: 2000 },
  );
});

test("what the parser refuses is not JSON", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      expect(readJson(text) !== undefined).toBe(valid);
    }),
  );
});

test("a cut text is valid JSON, within its budget, and says that it was cut", () => {
  fc.assert(
    fc.property(
      fc.array(jsonText, { minLength: 5, maxLength: 200 }),
      fc.integer({ min: 400, max: 900 }),
      fc.boolean(),
      (values, maxTextChars, isObject) => {
        const members = values.map((value, i) => (isObject ? `"k${i}":${value}` : value));
        const body = isObject ? `{${members.join(",")}}` : `[${members.join(",")}]`;
        const answer = reply(200, json, body, mapper({}, { maxTextChars }));
        const text = textOf(answer);
        expect(text.length).toBeLessThanOrEqual(maxTextChars);
        const isCut = (readJson(body)?.text.length ?? 0) > maxTextChars;
        expect("_truncated" in (JSON.parse(text) as object)).toBe(isCut);
        expect(answer.structured === undefined).toBe(isCut);
      },
    ),
    { numRuns: 500 },
  );
});

describe("a list that is too long", () => {
  const rows = Array.from({ length: 200 }, (_, id) => ({ id, name: `row ${id}` }));
  const small = mapper({}, { maxTextChars: 1000 });
  const cut = (value: unknown): Record<string, unknown> =>
    JSON.parse(textOf(reply(200, json, JSON.stringify(value), small))) as Record<string, unknown>;

  test("keeps its first items", () => {
    const { items, _truncated } = cut(rows) as { items: unknown[]; _truncated: unknown };
    expect(items.length).toBeGreaterThan(10);
    expect(items).toEqual(rows.slice(0, items.length));
    expect(_truncated).toEqual({ returned: items.length, total: 200, hint: "use limit" });
  });

  test("inside an object leaves the rest of the object whole", () => {
    const found = cut({ total: 200, data: { rows, next: "abc" }, tags: ["a", "b"] });
    expect(found).toMatchObject({ total: 200, data: { next: "abc" }, tags: ["a", "b"] });
    const { rows: kept } = found["data"] as { rows: unknown[] };
    expect(kept).toEqual(rows.slice(0, kept.length));
    expect(found["_truncated"]).toMatchObject({ returned: kept.length, total: 200 });
  });

  test("keeps as many as fit, however long each of them is", () => {
    const items = Array.from({ length: 300 }, (_, i) => "é".repeat((i * 37) % 90));
    for (const maxTextChars of [1_000, 4_000, 9_000]) {
      const text = textOf(reply(200, json, JSON.stringify(items), mapper({}, { maxTextChars })));
      const kept = (JSON.parse(text) as { items: string[] }).items;
      expect(kept).toEqual(items.slice(0, kept.length));
      const room = maxTextChars - 256 - "use limit".length;
      expect(JSON.stringify(kept).length).toBeLessThanOrEqual(room);
      expect(JSON.stringify(items.slice(0, kept.length + 1)).length).toBeGreaterThan(room);
    }
  });

  test("of one long item keeps a part of that item", () => {
    const [item] = cut([{ id: 1, text: "x".repeat(5000) }])["items"] as { text: string }[];
    expect(item).toMatchObject({ id: 1, text: expect.stringMatching(/^x{400,}…$/) });
  });
});

test.each([
  { name: "string", body: JSON.stringify({ id: 1, text: '"é\u0001😀'.repeat(3000) }) },
  { name: "root string", body: JSON.stringify("x".repeat(5000)) },
  { name: "number", body: `1${"0".repeat(5000)}` },
  { name: "key", body: JSON.stringify({ ["k".repeat(5000)]: 1, id: 7 }) },
  { name: "chain", body: "[".repeat(9000) + "]".repeat(9000) },
  // With `items` around it, it is deeper than what is proven by its bytes.
  { name: "list", body: `[${"[".repeat(199)}${"]".repeat(199)},"${"x".repeat(5000)}"]` },
  {
    name: "object",
    body: JSON.stringify(Object.fromEntries([...Array(2000).keys()].map((k) => [`k${k}`, k]))),
  },
])("a long $name is cut to valid JSON", ({ body }) => {
  const answer = reply(200, json, body, mapper({}, { maxTextChars: 1000 }));
  expect(textOf(answer).length).toBeLessThanOrEqual(1000);
  expect(JSON.parse(textOf(answer))).toHaveProperty("_truncated.total");
  expect(answer.structured).toBeUndefined();
});

test("without paging arguments the hint is a general one", () => {
  const plain = mapper(
    { names: { parameters: new Map(), properties: new Map(), body: undefined } },
    { maxTextChars: 500 },
  );
  const body = JSON.stringify(Array.from({ length: 500 }, (_, i) => i));
  expect(JSON.parse(textOf(reply(200, json, body, plain)))).toMatchObject({
    _truncated: { total: 500, hint: "ask for less" },
  });
});

test("an answer is cut the same whether its bytes or its text were proven", () => {
  const long = fc.constantFrom("x", "é", "漢字", "😀", '"\\\\').map((piece) => piece.repeat(700));
  const item = fc.oneof(
    jsonText,
    long.map((value) => JSON.stringify(value)),
  );
  const list = fc.array(item, { minLength: 1, maxLength: 60 }).map((all) => `[${all.join(",")}]`);
  const members = fc.array(fc.oneof(list, item), { minLength: 2, maxLength: 8 });
  const body = members.map((all) => `{${all.map((value, i) => `"k${i}":${value}`).join(",")}}`);
  fc.assert(
    fc.property(
      fc.oneof(body, list),
      fc.integer({ min: 400, max: 9_000 }),
      (text, maxTextChars) => {
        const compact = readJson(text)?.text ?? "";
        const map = mapper({}, { maxTextChars });
        // With a space before it, it is not proven by its bytes.
        expect(reply(200, json, compact, map)).toEqual(reply(200, json, ` ${compact}`, map));
      },
    ),
    { numRuns: 300 },
  );
});

test("what is no compact JSON behind its first 100,000 characters is not cut as if it were", () => {
  const head = `[${'"x",'.repeat(50_000)}`;
  for (const tail of ["]", '"x"', '"x"]]', '"\\ud800"', '"\u0000"]', "01]"]) {
    const text = textOf(reply(200, json, head + tail));
    expect(text.startsWith('["x"')).toBe(true);
    expect(text.slice(100_000)).toMatch(/not valid JSON\]$/);
  }
});

test("a budget counts characters and not bytes", () => {
  const body = JSON.stringify({ text: "\u00e9".repeat(700) });
  expect(body.length).toBeLessThan(1_000);
  const answer = reply(200, json, body, mapper({}, { maxTextChars: 1_000 }));
  expect(textOf(answer)).toBe(body);
  expect(answer.structured).toEqual({ json: body, isObject: true });
});
