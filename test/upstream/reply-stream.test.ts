import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createEventReader,
  progressOf,
  type StreamEvent,
  type StreamFamily,
} from "../../src/upstream/reply/event-stream.ts";
import { mapper, reply, textOf } from "./reply-fixture.ts";

const lines = { "content-type": "application/x-ndjson" };
const events = { "content-type": "text/event-stream; charset=utf-8" };

describe("a streamed list", () => {
  test.each([
    { headers: lines, body: '{"a": 1}\n\r\n{"a": 2}\r\n' },
    { headers: { "content-type": "application/jsonl" }, body: '{"a":1}\n{"a":2}' },
    {
      headers: { "content-type": "application/json-seq" },
      body: '\u001e{"a":\n1}\n\u001e{"a":2}\n',
    },
    { headers: events, body: '\ufeffdata: {"a":1}\n\ndata: {"a":\ndata:2}\n\ndata: [DONE]\n\n' },
    {
      headers: events,
      body: ': hi\r\nevent: x\rid: 1\rdata:{"a":1}\r\n\r\nretry: 5\rdata: {"a":2}',
    },
  ])("$body is an array", ({ headers, body }) => {
    expect(reply(200, headers, body)).toEqual({
      content: [{ type: "text", text: '[{"a":1},{"a":2}]' }],
      structured: { json: '[{"a":1},{"a":2}]', isObject: false },
      isError: false,
    });
  });

  test("keeps its first items when it is long", () => {
    const body = Array.from({ length: 9 }, (_, i) => `{"i":${i}}`).join("\n");
    const answer = reply(200, lines, body, mapper({}, { maxItems: 2 }));
    expect(textOf(answer)).toBe(
      '{"items":[{"i":0},{"i":1}],"_truncated":{"returned":2,"total":9,"hint":"use limit"}}',
    );
    expect(answer.structured).toBeUndefined();
  });

  test("with a broken line is text with a note", () => {
    expect(reply(200, lines, '{"a":1}\n{"a":')).toMatchObject({
      content: [{ text: '{"a":1}\n{"a":\n[declared as application/x-ndjson, but not valid JSON]' }],
      structured: undefined,
    });
  });

  test("of words is text, of both is an array with strings", () => {
    expect(textOf(reply(200, events, "data: a\ndata: b\n\ndata: c\n\n"))).toBe("a\nb\nc");
    expect(textOf(reply(200, events, "data: a\n\ndata: 1\n\n"))).toBe('["a",1]');
  });

  test.each(["", "\n\n", ": comment\n\n", "data:\n\n"])("%j is an empty answer", (body) => {
    expect(textOf(reply(200, events, body))).toBe("Success (200 OK)");
  });
});

describe("a stream with progress", () => {
  const done = '{"id": 7}';
  test.each([
    { name: "first event without progress", data: ['{"progress":1}', done, '{"id":8}'] },
    {
      name: "result in the middle",
      data: ['{"progress":1}', '{"progress":2}', done, '{"progress":3}'],
    },
  ])("has the $name as its result", ({ data }) => {
    const body = data.map((text) => `data: ${text}\n\n`).join("");
    expect(reply(200, events, body).structured).toEqual({ json: '{"id":7}', isObject: true });
    expect(reply(200, lines, data.join("\n")).structured?.json).toBe('{"id":7}');
  });

  test("but no other event has the last as its result", () => {
    expect(reply(200, lines, '{"progress":1}\n{"progress": 2, "x": 1.0}').structured?.json).toBe(
      '{"progress":2,"x":1.0}',
    );
  });

  test("that falls is a list whose rows have such a column", () => {
    const rows = '{"progress":70}\n{"progress":20}';
    expect(reply(200, lines, rows).structured?.json).toBe('[{"progress":70},{"progress":20}]');
  });

  test("may have a text as its result", () => {
    const answer = reply(200, events, 'data: {"progress":1}\n\ndata: all\ndata: done\n\n');
    expect(answer).toMatchObject({ content: [{ text: "all\ndone" }], structured: undefined });
  });
});

test.each([
  { value: { progress: 1 }, becomes: { progress: 1, total: undefined, message: undefined } },
  {
    value: { progress: 0.5, total: 2, message: "half\u202e\nway" },
    becomes: { progress: 0.5, total: 2, message: "half way" },
  },
  { value: { progress: 1, total: "x" }, becomes: { progress: 1, total: undefined } },
  { value: { progress: "1" }, becomes: undefined },
  { value: [1], becomes: undefined },
  { value: undefined, becomes: undefined },
])("$value reports $becomes", ({ value, becomes }) => {
  expect(progressOf(value)).toEqual(becomes);
});

/** All events, when the bytes arrive in chunks that end at `cuts`. */
function read(family: StreamFamily, body: Buffer, cuts: readonly number[]): readonly StreamEvent[] {
  const found: StreamEvent[] = [];
  const reader = createEventReader(family, (event) => found.push(event));
  let start = 0;
  for (const end of [...cuts, body.length].toSorted((a, b) => a - b)) {
    reader.push(body.subarray(start, end));
    start = Math.max(start, end);
  }
  reader.end();
  return found;
}

test("where the chunks are cut does not matter", () => {
  const streams: readonly (readonly [StreamFamily, string])[] = [
    ["events", 'data: {"é": 1}\r\n\r\n: x\r\rdata: 😀\r\ndata: b\n\r\ndata: 2'],
    ["lines", '{"é": 1}\r\n\n"😀"\nx'],
    ["records", '\u001e{"é":\n1}\n\u001e"😀"\n'],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...streams), fc.array(fc.nat(60)), ([family, text], cuts) => {
      const body = Buffer.from(text);
      const inside = cuts.map((cut) => Math.min(cut, body.length));
      expect(read(family, body, inside)).toEqual(read(family, body, []));
    }),
  );
  expect(read("events", Buffer.from(streams[0]?.[1] ?? ""), [])).toEqual([
    { data: '{"é": 1}', value: { é: 1 } },
    { data: "😀\nb", value: undefined },
    { data: "2", value: 2 },
  ]);
});

test("events arrive before the stream ends", () => {
  const seen: unknown[] = [];
  const reader = createEventReader("events", ({ value }) => seen.push(value));
  reader.push(Buffer.from("data: 1\n\ndata: 2\n"));
  expect(seen).toEqual([1]);
  reader.push(Buffer.from("\n"));
  expect(seen).toEqual([1, 2]);
});

test("an event without end is passed over, the next one is read", () => {
  const seen: unknown[] = [];
  const reader = createEventReader("events", ({ value }) => seen.push(value));
  const chunk = Buffer.from("x".repeat(65_536));
  reader.push(Buffer.from("data: "));
  for (let i = 0; i < 20; i++) reader.push(chunk);
  reader.push(Buffer.from("\n\n"));
  for (let i = 0; i < 20; i++) reader.push(Buffer.from(`data: ${"y".repeat(65_536)}\n`));
  reader.push(Buffer.from("\ndata: 3\n\n"));
  expect(seen).toEqual([3]);
});
