import { expect, test } from "vitest";
import { mapper, reply } from "./reply-fixture.ts";

const mixed = { "content-type": 'multipart/mixed; boundary="a b"' };
const png = Buffer.from([0x89, 0x50, 0x0d, 0x0a, 0x00, 0xff]);

function part(head: readonly string[], body: string | Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`--a b\r\n${head.map((line) => `${line}\r\n`).join("")}\r\n`),
    Buffer.from(body),
    Buffer.from("\r\n"),
  ]);
}
const end = Buffer.from("--a b--\r\nepilogue");

test("every part is one block, in order", () => {
  const body = Buffer.concat([
    Buffer.from("preamble --a b\r\n"),
    part(["Content-Type: text/plain"], "hello\n--a bc\n"),
    part(["Content-Type: image/png"], png),
    part(["content-type: application/json", "Content-Location: test://x"], '{"a": 1}'),
    part(["Content-Type:", " application/json", "Content-ID: <7@x>"], "[1, 2]"),
    part([], '{"b": 1}'),
    end,
  ]);
  expect(reply(200, mixed, body)).toEqual({
    content: [
      { type: "text", text: "hello\n--a bc\n" },
      { type: "image", data: png.toString("base64"), mimeType: "image/png" },
      {
        type: "resource",
        resource: { uri: "test://x", mimeType: "application/json", text: '{"a":1}' },
      },
      {
        type: "resource",
        resource: { uri: "cid:7@x", mimeType: "application/json", text: "[1,2]" },
      },
      { type: "text", text: '{"b":1}' },
    ],
    structured: undefined,
    isError: false,
  });
});

test("bare line feeds, base64 and a missing end are understood", () => {
  const body =
    "--a b\n\nfirst\n--a b\nContent-Transfer-Encoding: BASE64\nContent-Type: text/plain\n\naMOp\n";
  expect(reply(200, mixed, body).content).toEqual([
    { type: "text", text: "first" },
    { type: "text", text: "hé" },
  ]);
});

test.each([
  { name: "no boundary", type: "multipart/mixed" },
  { name: "another boundary", type: "multipart/mixed; boundary=zzz" },
  { name: "a boundary that is too long", type: `multipart/mixed; boundary=${"a".repeat(71)}` },
])("$name leaves an embedded file", ({ type }) => {
  expect(reply(200, { "content-type": type }, "--x\r\n\r\n1").content).toMatchObject([
    { type: "resource", resource: { mimeType: "multipart/mixed" } },
  ]);
});

test("parts inside parts are read three levels down", () => {
  const nest = (level: number): string =>
    level === 0
      ? "Content-Type: text/plain\r\n\r\ncore"
      : `Content-Type: multipart/mixed; boundary=b${level}\r\n\r\n--b${level}\r\n${nest(level - 1)}\r\n--b${level}--`;
  const send = (levels: number): unknown => {
    const [head = "", ...rest] = nest(levels).split("\r\n\r\n");
    return reply(200, { "content-type": head.slice(14) }, rest.join("\r\n\r\n")).content;
  };
  expect(send(3)).toEqual([{ type: "text", text: "core" }]);
  expect(send(4)).toMatchObject([{ type: "resource", resource: { mimeType: "multipart/mixed" } }]);
});

test("more than 64 parts are left out, with a note", () => {
  const body = Buffer.concat([...Array.from({ length: 70 }, (_, i) => part([], `p${i}`)), end]);
  const { content } = reply(200, mixed, body);
  expect(content.length).toBe(65);
  expect(content.at(-1)).toEqual({ type: "text", text: "[more parts were left out]" });
});

test("all parts share one budget of text", () => {
  const body = Buffer.concat([
    part([], "x".repeat(30)),
    part([], "y".repeat(30)),
    part([], "z"),
    end,
  ]);
  expect(reply(200, mixed, body, mapper({}, { maxTextChars: 40 })).content).toEqual([
    { type: "text", text: "x".repeat(30) },
    { type: "text", text: `${"y".repeat(10)}\n[cut: the first 10 of 30 characters]` },
    { type: "text", text: "[more parts were left out]" },
  ]);
});

test("a multipart body without a part is an empty answer", () => {
  expect(reply(200, mixed, end).content).toEqual([{ type: "text", text: "Success (200 OK)" }]);
});
