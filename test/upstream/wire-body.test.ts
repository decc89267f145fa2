import { describe, expect, test } from "vitest";
import type { ApiRequest } from "../world/api.ts";
import { world, type World, type WorldOptions } from "../world/world.ts";

type Json = Readonly<Record<string, unknown>>;

interface Sent {
  readonly it: World;
  readonly isError: boolean;
  readonly told: string;
  readonly seen: ApiRequest | undefined;
}

interface Setting extends Partial<WorldOptions> {
  readonly version?: string;
  readonly method?: string;
  readonly required?: boolean;
}

/** A gateway before one operation whose body the document describes by `content`. */
async function worldFor(content: Json, setting: Setting = {}): Promise<World> {
  const { version = "3.1.0", method = "post", required = true, ...options } = setting;
  const operation = { operationId: "op", requestBody: { required, content } };
  return world({
    auth: "none",
    ...options,
    spec: { openapi: version, paths: { "/x": { [method]: operation } } },
  });
}

async function send(content: Json, body: unknown, setting: Setting = {}): Promise<Sent> {
  const it = await worldFor(content, setting);
  const { content: blocks, isError = false } = await it.call("op", { body });
  return { it, isError, told: blocks[0]?.text ?? "", seen: it.api.requests[0] };
}

/** Every header the API received under this name. */
function headersOf(seen: ApiRequest | undefined, name: string): readonly string[] {
  const raw = seen?.rawHeaders ?? [];
  return raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name);
}

const object = { schema: { type: "object" } };
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("JSON", () => {
  test.each([
    { type: "application/json", body: { a: null, b: [1, "é"], c: {} } },
    { type: "application/json; charset=utf-8", body: {} },
    { type: "Application/JSON;v=1", body: { a: 1 } },
    { type: "application/merge-patch+json", body: { a: null, b: { c: null } } },
    { type: "application/json-patch+json", body: [{ op: "remove", path: "/a" }] },
    { type: 'application/vnd.acme.v2+json; profile="x"', body: { a: false } },
    { type: "application/problem+json", body: { title: "t" } },
    { type: "application/json", body: "text" },
    { type: "application/json", body: 0 },
    { type: "application/json", body: [] },
    { type: "application/json", body: null },
  ])("$type: $body is sent compact, its type as declared", async ({ type, body }) => {
    const { seen } = await send({ [type]: {} }, body);
    expect(seen?.body).toBe(JSON.stringify(body));
    expect(headersOf(seen, "content-type")).toEqual([type]);
  });

  test("base64 inside JSON stays text", async () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", format: "byte" }, b: { contentEncoding: "base64" } },
    };
    const { seen } = await send({ "application/json": { schema } }, { a: "AA==", b: "AQ==" });
    expect(seen?.body).toBe('{"a":"AA==","b":"AQ=="}');
  });
});

describe("which media type", () => {
  const all = [
    "application/zip",
    "application/octet-stream",
    "text/plain",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "application/vnd.x+json",
    "application/json",
  ];

  test.each(all.map((_, left) => all.slice(0, all.length - left)))(
    "the last of %s … is preferred",
    async (...types) => {
      const content = Object.fromEntries(types.map((type) => [type, object]));
      const it = await worldFor(content);
      const tool = it.gateway.snapshot.catalog.tools.get("op");
      const bodies = tool?.places.flatMap(({ target }) =>
        target.kind === "body" ? target.body : [],
      );
      expect(bodies?.map(({ mediaType }) => mediaType)).toEqual([types.at(-1)]);
    },
  );

  test("the rule decides before any preference", async () => {
    const content = { "application/json": object, "application/x-www-form-urlencoded": object };
    const rule = "- {operation: op, mediaType: Application/x-www-form-urlencoded}";
    const { seen } = await send(content, { a: "b c" }, { tools: rule });
    expect(seen?.body).toBe("a=b+c");
    expect(headersOf(seen, "content-type")).toEqual(["application/x-www-form-urlencoded"]);
  });

  test("a rule that names a media type the operation has not is refused", async () => {
    const rule = "- {operation: op, mediaType: text/csv}";
    await expect(worldFor({ "application/json": object }, { tools: rule })).rejects.toThrow(
      /text\/csv/,
    );
  });

  test.each([
    { range: "*/*", media: object, body: { a: 1 }, sent: '{"a":1}', type: "application/json" },
    {
      range: "application/*",
      media: object,
      body: { a: 1 },
      sent: '{"a":1}',
      type: "application/json",
    },
    {
      range: "text/*",
      media: { schema: { type: "string" } },
      body: "a",
      sent: "a",
      type: "text/plain",
    },
    {
      range: "*/*",
      media: {},
      body: { data: base64("x") },
      sent: "x",
      type: "application/octet-stream",
    },
    {
      range: "*/*",
      media: { schema: { type: "string", format: "binary" } },
      body: { data: base64("x") },
      sent: "x",
      type: "application/octet-stream",
    },
    {
      range: "image/*",
      media: {},
      body: { data: base64("x"), mimeType: "image/png" },
      sent: "x",
      type: "image/png",
    },
  ])("$range is sent as $type", async ({ range, media, body, sent, type }) => {
    const { seen } = await send({ [range]: media }, body);
    expect([seen?.body, ...headersOf(seen, "content-type")]).toEqual([sent, type]);
  });

  test("a file of another type than the range allows is refused", async () => {
    const { isError, told, it } = await send(
      { "image/*": {} },
      { data: "", mimeType: "text/html" },
    );
    expect([isError, told]).toEqual([true, "body.mimeType must be one of image/*"]);
    expect(it.api.requests).toEqual([]);
  });
});

describe("whether there is a body", () => {
  test("an optional body that is absent leaves no body and no Content-Type", async () => {
    const it = await worldFor({ "application/json": object }, { required: false });
    await it.call("op", {});
    const [seen] = it.api.requests;
    expect(seen?.bytes.length).toBe(0);
    expect(headersOf(seen, "content-type")).toEqual([]);
    expect(headersOf(seen, "content-length")).toEqual(["0"]);
  });

  test("so does one of 2.0", async () => {
    const param = { name: "b", in: "body", schema: { type: "object" } };
    const paths = { "/x": { post: { operationId: "op", parameters: [param] } } };
    const it = await world({ auth: "none", spec: { openapi: undefined, swagger: "2.0", paths } });
    await it.call("op", {});
    await it.call("op", { body: { a: null } });
    const [absent, given] = it.api.requests;
    expect([absent?.body, ...headersOf(absent, "content-type")]).toEqual([""]);
    expect([given?.body, ...headersOf(given, "content-type")]).toEqual([
      '{"a":null}',
      "application/json",
    ]);
  });

  test("DELETE sends its body", async () => {
    const { seen } = await send({ "application/json": object }, { a: 1 }, { method: "delete" });
    expect([seen?.method, seen?.body]).toEqual(["DELETE", '{"a":1}']);
  });

  test("GET sends its body only when the rule says so, and load says when it does not", async () => {
    const content = { "application/json": object };
    const without = await worldFor(content, { method: "get" });
    await without.call("op", {});
    expect(without.api.requests.map(({ body }) => body)).toEqual([""]);
    expect(without.gateway.snapshot.warnings.map(({ code }) => code)).toContain("body_left_out");
    const tools = "- {operation: op, allowGetBody: true}";
    const { seen } = await send(content, { a: 1 }, { method: "get", tools });
    expect([seen?.method, seen?.body]).toEqual(["GET", '{"a":1}']);
    expect(headersOf(seen, "content-type")).toEqual(["application/json"]);
  });
});

describe("application/x-www-form-urlencoded", () => {
  const type = "application/x-www-form-urlencoded";
  const form = (body: Json, encoding: Json = {}): Promise<Sent> =>
    send({ [type]: { ...object, encoding } }, body);

  test.each([
    {
      body: { a: "x y", b: "~*-._", c: "+&=%é\n" },
      sent: "a=x+y&b=%7E%2A-._&c=%2B%26%3D%25%C3%A9%0A",
    },
    { body: { a: [1, null, "x"], b: [] }, sent: "a=1&a=x" },
    { body: { a: { b: [1] }, c: {} }, sent: "a=%7B%22b%22%3A%5B1%5D%7D&c=%7B%7D" },
    {
      body: { a: null, b: "", c: false, d: 0, e: 1e21 },
      sent: "b=&c=false&d=0&e=1000000000000000000000",
    },
    { body: { "a b[]": "c" }, sent: "a+b%5B%5D=c" },
    { body: {}, sent: "" },
  ])("by content: $body", async ({ body, sent }) => {
    const { seen } = await form(body);
    expect(seen?.body).toBe(sent);
    expect(headersOf(seen, "content-type")).toEqual([type]);
  });

  test.each([
    { encoding: { style: "form" }, value: ["x y", "~+"], sent: "a=x%20y&a=%7E%2B" },
    { encoding: { explode: false }, value: ["x,y", "z"], sent: "a=x%2Cy,z" },
    { encoding: { explode: true }, value: { b: "c d" }, sent: "b=c%20d" },
    { encoding: { style: "spaceDelimited", explode: false }, value: [1, 2], sent: "a=1%202" },
    { encoding: { style: "pipeDelimited" }, value: [1, 2], sent: "a=1%7C2" },
    {
      encoding: { style: "deepObject", explode: true },
      value: { b: { c: 1 }, d: [1, 2] },
      sent: "a%5Bb%5D%5Bc%5D=1&a%5Bd%5D=1&a%5Bd%5D=2",
    },
    {
      encoding: { allowReserved: true },
      value: "/?:@ &+#[]~%2F",
      sent: "a=/?:@%20%26%2B%23%5B%5D%7E%2F",
    },
    { encoding: { style: "form", contentType: "application/json" }, value: "x", sent: "a=x" },
    { encoding: { style: "form" }, value: null, sent: "" },
    { encoding: { contentType: "application/json" }, value: "x", sent: "a=%22x%22" },
    {
      encoding: { contentType: "application/json" },
      value: [{ b: 1 }, 2],
      sent: "a=%7B%22b%22%3A1%7D&a=2",
    },
    { encoding: { contentType: "text/plain" }, value: "x y", sent: "a=x+y" },
  ])("encoding $encoding: $value", async ({ encoding, value, sent }) => {
    const { seen } = await form({ a: value, other: "x y" }, { a: encoding });
    expect(seen?.body).toBe(sent === "" ? "other=x+y" : `${sent}&other=x+y`);
  });

  test("deepObjectArrays of the API holds in a form", async () => {
    const media = { ...object, encoding: { a: { style: "deepObject" } } };
    const api = "deepObjectArrays: brackets";
    const { seen } = await send({ [type]: media }, { a: { b: [1, 2] } }, { extra: { api } });
    expect(seen?.body).toBe("a%5Bb%5D%5B%5D=1&a%5Bb%5D%5B%5D=2");
  });

  test("2.0 formData joins lists by collectionFormat", async () => {
    const items = { type: "string" };
    const list = (name: string, collectionFormat?: string): object => ({
      name,
      in: "formData",
      type: "array",
      items,
      ...(collectionFormat === undefined ? {} : { collectionFormat }),
    });
    const parameters = [list("a"), list("b", "multi"), list("c", "tsv"), list("d", "pipes")];
    const paths = { "/x": { post: { operationId: "op", consumes: [type], parameters } } };
    const it = await world({ auth: "none", spec: { openapi: undefined, swagger: "2.0", paths } });
    const two = ["x", "y"];
    await it.call("op", { body: { a: two, b: two, c: two, d: two } });
    expect(it.api.requests[0]?.body).toBe("a=x,y&b=x&b=y&c=x%09y&d=x%7Cy");
  });
});

describe("multipart/form-data", () => {
  const type = "multipart/form-data";

  /** The parts as a strict reader of RFC 2046 and 7578 sees them. */
  function partsOf(seen: ApiRequest | undefined): readonly string[] {
    const [declared = ""] = headersOf(seen, "content-type");
    const boundary = /^multipart\/form-data; boundary=([\w-]{20,70})$/.exec(declared)?.[1] ?? "";
    const text = seen?.bytes.toString("utf8") ?? "";
    const pieces = text.split(`--${boundary}`);
    expect([pieces[0], pieces.at(-1)]).toEqual(["", "--\r\n"]);
    return pieces.slice(1, -1).map((piece) => {
      expect([piece.slice(0, 2), piece.slice(-2)]).toEqual(["\r\n", "\r\n"]);
      return piece.slice(2, -2);
    });
  }

  const part = (disposition: string, contentType: string, body: string, more = ""): string =>
    `Content-Disposition: form-data; ${disposition}\r\nContent-Type: ${contentType}\r\n${more}\r\n${body}`;

  const file = { type: "string", format: "binary" };
  const multipart = async (
    properties: Json,
    body: Json,
    { encoding = {}, ...setting }: Setting & { readonly encoding?: Json } = {},
  ): Promise<readonly string[]> => {
    const media = { schema: { type: "object", properties }, encoding };
    const { seen, told, isError } = await send({ [type]: media }, body, setting);
    expect(isError, told).toBe(false);
    return partsOf(seen);
  };

  test("texts, numbers, objects and files have their default types, and only files a name", async () => {
    const parts = await multipart(
      { f: file },
      {
        s: "a\r\nb",
        u: "é",
        n: 1e21,
        b: false,
        o: { a: [null] },
        e: "",
        z: null,
        f: { data: base64("\u0000ÿ") },
      },
    );
    expect(parts).toEqual([
      part('name="s"', "text/plain", "a\r\nb"),
      part('name="u"', "text/plain; charset=utf-8", "é"),
      part('name="n"', "text/plain", "1000000000000000000000"),
      part('name="b"', "text/plain", "false"),
      part('name="o"', "application/json", '{"a":[null]}'),
      part('name="e"', "text/plain", ""),
      part('name="f"; filename="f"', "application/octet-stream", "\u0000ÿ"),
    ]);
  });

  test("a file keeps its name and type", async () => {
    const f = { data: base64("x"), filename: "a b.png", mimeType: "image/png" };
    expect(await multipart({ f: file }, { f })).toEqual([
      part('name="f"; filename="a b.png"', "image/png", "x"),
    ]);
  });

  test("a list is one part per item under one name", async () => {
    const parts = await multipart(
      { f: { type: "array", items: file } },
      {
        t: ["a", null, "b"],
        o: [{ a: 1 }],
        f: [{ data: base64("x") }, { data: base64("y"), filename: "y" }],
      },
    );
    expect(parts).toEqual([
      part('name="t"', "text/plain", "a"),
      part('name="t"', "text/plain", "b"),
      part('name="o"', "application/json", '{"a":1}'),
      part('name="f"; filename="f"', "application/octet-stream", "x"),
      part('name="f"; filename="y"', "application/octet-stream", "y"),
    ]);
  });

  test.each([
    { version: "3.0.3", what: "format: binary", schema: file },
    {
      version: "3.1.0",
      what: "contentMediaType without type",
      schema: { contentMediaType: "image/png" },
    },
    { version: "3.1.0", what: "an empty schema", schema: {} },
    {
      version: "3.1.0",
      what: "null allowed",
      schema: { type: ["string", "null"], format: "binary" },
    },
    { version: "3.1.0", what: "a reference", schema: { $ref: "#/components/schemas/File" } },
  ])("a file is known by $what ($version)", async ({ version, schema }) => {
    const components = {
      schemas: { File: file, Form: { type: "object", properties: { f: schema } } },
    };
    const content = { [type]: { schema: { $ref: "#/components/schemas/Form" } } };
    const paths = { "/x": { post: { operationId: "op", requestBody: { content } } } };
    const it = await world({ auth: "none", spec: { openapi: version, paths, components } });
    await it.call("op", { body: { f: { data: base64("x") } } });
    expect(partsOf(it.api.requests[0])).toEqual([
      part('name="f"; filename="f"', "application/octet-stream", "x"),
    ]);
  });

  test("2.0 type: file, beside fields", async () => {
    const parameters = [
      { name: "f", in: "formData", type: "file", required: true },
      { name: "t", in: "formData", type: "array", items: { type: "string" } },
      {
        name: "m",
        in: "formData",
        type: "array",
        items: { type: "string" },
        collectionFormat: "multi",
      },
    ];
    const paths = { "/x": { post: { operationId: "op", parameters } } };
    const it = await world({ auth: "none", spec: { openapi: undefined, swagger: "2.0", paths } });
    await it.call("op", { body: { f: { data: base64("x") }, t: ["a", "b"], m: ["a", "b"] } });
    expect(partsOf(it.api.requests[0])).toEqual([
      part('name="f"; filename="f"', "application/octet-stream", "x"),
      part('name="t"', "text/plain", "a,b"),
      part('name="m"', "text/plain", "a"),
      part('name="m"', "text/plain", "b"),
    ]);
  });

  test.each([
    { contentType: "image/png, image/jpeg", mimeType: undefined, sent: "image/png" },
    { contentType: "image/png, image/jpeg", mimeType: "image/jpeg", sent: "image/jpeg" },
    { contentType: "image/png, image/jpeg", mimeType: "text/html", sent: "image/png" },
    { contentType: "image/*", mimeType: "image/webp", sent: "image/webp" },
    { contentType: "image/*", mimeType: undefined, sent: "application/octet-stream" },
    { contentType: "image/*, text/csv", mimeType: undefined, sent: "text/csv" },
    { contentType: "*/*", mimeType: undefined, sent: "application/octet-stream" },
  ])("a file declared $contentType of type $mimeType goes as $sent", async (row) => {
    const { contentType, mimeType, sent } = row;
    const f = { data: base64("x"), ...(mimeType === undefined ? {} : { mimeType }) };
    const encoding = { f: { contentType } };
    expect(await multipart({ f: file }, { f }, { encoding })).toEqual([
      part('name="f"; filename="f"', sent, "x"),
    ]);
  });

  test.each([
    { contentType: "application/json", value: "x", sent: '"x"' },
    { contentType: "application/vnd.x+json; v=1", value: { a: 1 }, sent: '{"a":1}' },
    { contentType: "application/xml", value: "<a/>", sent: "<a/>" },
    { contentType: "text/plain; charset=utf-8, application/json", value: "é", sent: "é" },
  ])("a part declared $contentType", async ({ contentType, value, sent }) => {
    const encoding = { a: { contentType } };
    const [declared = ""] = contentType.split(",");
    expect(await multipart({}, { a: value }, { encoding })).toEqual([
      part('name="a"', declared, sent),
    ]);
  });

  test("headers of a part are sent when the document fixes them", async () => {
    const header = (schema: Json): Json => ({ schema });
    const headers = {
      "X-Const": header({ const: "a b" }),
      "X-Default": header({ type: "integer", default: 7 }),
      "X-Free": header({ type: "string" }),
      "X-Bad": header({ const: "a\r\nX-Evil: 1" }),
      "Content-Type": header({ const: "text/html" }),
      "Content-Disposition": header({ const: "attachment" }),
    };
    const parts = await multipart(
      { f: file },
      { a: "x", f: { data: "" } },
      { encoding: { a: { headers }, f: { headers } } },
    );
    const sent = "X-Const: a b\r\nX-Default: 7\r\n";
    expect(parts).toEqual([
      part('name="a"', "text/plain", "x", sent),
      part('name="f"; filename="f"', "application/octet-stream", "", sent),
    ]);
  });

  test.each([
    { more: {}, sent: "application/octet-stream" },
    { more: { contentMediaType: "image/png" }, sent: "image/png" },
  ])("text with contentEncoding goes as it is, as $sent", async ({ more, sent }) => {
    const schema = { type: "string", contentEncoding: "base64", ...more };
    expect(await multipart({ a: schema }, { a: "eA==" })).toEqual([part('name="a"', sent, "eA==")]);
  });

  test.each([
    { version: "3.1.0", encoding: { explode: false }, value: ["a b", "c"], sent: [["a", "a b,c"]] },
    { version: "3.1.0", encoding: { style: "form" }, value: { b: "&é" }, sent: [["b", "&é"]] },
    {
      version: "3.2.0",
      encoding: { style: "pipeDelimited", explode: false },
      value: [1, 2],
      sent: [["a", "1|2"]],
    },
    {
      version: "3.2.0",
      encoding: { style: "deepObject" },
      value: { b: [1] },
      sent: [["a[b]", "1"]],
    },
    {
      version: "3.0.3",
      encoding: { explode: false },
      value: ["a", "c"],
      sent: [
        ["a", "a"],
        ["a", "c"],
      ],
    },
  ])(
    "style in a part ($version $encoding) is not percent-encoded",
    async ({ version, encoding, value, sent }) => {
      const parts = await multipart({}, { a: value }, { version, encoding: { a: encoding } });
      expect(parts).toEqual(
        sent.map(([name, text = ""]) =>
          part(`name="${name}"`, /é/.test(text) ? "text/plain; charset=utf-8" : "text/plain", text),
        ),
      );
    },
  );

  test("S31: a name or file name cannot end its quotes or its line", async () => {
    const f = { data: "", filename: 'a"; x="\r\nX-Evil: 1\u0000é' };
    expect(await multipart({ f: file }, { 'n"\r\n': "x", f })).toEqual([
      part('name="n%22%0D%0A"', "text/plain", "x"),
      part('name="f"; filename="a%22; x=%22%0D%0AX-Evil: 1%00é"', "application/octet-stream", ""),
    ]);
  });

  test("S31: the boundary of one body does not end another", async () => {
    const it = await worldFor({ [type]: object });
    await it.call("op", { body: { a: "1" } });
    const [, boundary = ""] =
      headersOf(it.api.requests[0], "content-type")[0]?.split("boundary=") ?? [];
    const inside = `x\r\n--${boundary}--\r\n`;
    await it.call("op", { body: { a: inside } });
    expect(partsOf(it.api.requests[1])).toEqual([part('name="a"', "text/plain", inside)]);
    expect(partsOf(it.api.requests[0])).toEqual([part('name="a"', "text/plain", "1")]);
  });

  test("an invalid file type is refused", async () => {
    const media = { schema: { type: "object", properties: { f: file } } };
    const f = { data: "", mimeType: "text/html\r\nX-Evil: 1" };
    const { isError, told, it } = await send({ [type]: media }, { f });
    expect([isError, told]).toEqual([
      true,
      "body.f.mimeType must be a media type, for example image/png",
    ]);
    expect(it.api.requests).toEqual([]);
  });
});

describe("bytes", () => {
  test.each(["application/octet-stream", "image/png", "application/pdf; v=1"])(
    "%s",
    async (type) => {
      const data = Buffer.from([0, 255, 13, 10, 128]).toString("base64");
      const { seen } = await send({ [type]: {} }, { data, filename: "x", mimeType: "a/b" });
      expect(seen?.bytes.toString("base64")).toBe(data);
      expect(headersOf(seen, "content-type")).toEqual([type]);
    },
  );

  test.each(["a", "abc", "ab==c", "a b=", "YQ", "YR==", "-_-_", "é", "YQ==\n"])(
    "%j is no base64",
    async (data) => {
      const { isError, told, it } = await send({ "application/octet-stream": {} }, { data });
      expect([isError, told]).toEqual([true, "body.data must be base64"]);
      expect(it.api.requests).toEqual([]);
    },
  );

  test("a bad file of a list is named with its place", async () => {
    const list = { type: "array", items: { type: "string", format: "binary" } };
    const media = { schema: { type: "object", properties: { files: list } } };
    const files = [{ data: "" }, { data: "!" }];
    const { told } = await send({ "multipart/form-data": media }, { files });
    expect(told).toBe("body.files[1].data must be base64");
  });

  test("10 MB pass, one byte more does not", async () => {
    const it = await worldFor(
      { "application/octet-stream": {} },
      { extra: { top: "limits: {requestSize: 32MB}" } },
    );
    const call = async (size: number): Promise<string> => {
      const data = Buffer.alloc(size).toString("base64");
      return (await it.call("op", { body: { data } })).content[0]?.text ?? "";
    };
    await call(10 * 1024 * 1024);
    expect(it.api.requests.map(({ bytes }) => bytes.length)).toEqual([10 * 1024 * 1024]);
    expect(await call(10 * 1024 * 1024 + 1)).toBe("body.data must decode to at most 10 MB");
    expect(it.api.requests).toHaveLength(1);
  });
});

describe("text", () => {
  test.each([
    { type: "text/plain", body: "é\r\n" },
    { type: "text/plain; charset=UTF-8", body: "é" },
    { type: "text/csv", body: "a,b\n" },
    { type: "application/x-yaml", body: "a: 1\n" },
    { type: "application/graphql", body: "{a}" },
    { type: "application/xml", body: "<?xml version='1.0'?><a>é</a>" },
    { type: "text/xml", body: "<a/>" },
    { type: "application/soap+xml", body: "<a/>" },
    { type: "text/plain", body: "" },
  ])("$type is sent as it is", async ({ type, body }) => {
    const { seen } = await send({ [type]: object }, body);
    expect(seen?.bytes.equals(Buffer.from(body))).toBe(true);
    expect(headersOf(seen, "content-type")).toEqual([type]);
  });

  test("what is no text and comes from gateway.yaml goes as JSON", async () => {
    const tools = "- {operation: op, args: {body: {value: {a: [1]}}}}";
    const it = await worldFor({ "text/plain": {} }, { tools });
    await it.call("op", {});
    expect(it.api.requests[0]?.body).toBe('{"a":[1]}');
  });

  test("another charset is not sent: no tool, and load says so", async () => {
    const it = await worldFor({ "text/plain; charset=iso-8859-1": {} });
    expect([...it.gateway.snapshot.catalog.tools.keys()]).toEqual([]);
    expect(it.gateway.snapshot.warnings.map(({ code }) => code)).toEqual([
      "unsupported_media_type",
    ]);
  });
});

test.each([
  { type: "application/x-ndjson", sent: '{"a":1}\n[2]\n"x"\n' },
  { type: "application/jsonl", sent: '{"a":1}\n[2]\n"x"\n' },
  { type: "application/json-seq", sent: '\u001e{"a":1}\n\u001e[2]\n\u001e"x"\n' },
])("$type: one JSON text a line", async ({ type, sent }) => {
  const { seen } = await send({ [type]: { itemSchema: {} } }, [{ a: 1 }, [2], "x"], {
    version: "3.2.0",
  });
  expect(seen?.body).toBe(sent);
  expect(headersOf(seen, "content-type")).toEqual([type]);
});

describe("3.2: parts by their places", () => {
  /** Content-Type as received, and the parts between its boundaries. */
  async function placed(type: string, media: Json, body: unknown, version = "3.2.0") {
    const { seen, told, isError } = await send({ [type]: media }, body, { version });
    expect(isError, told).toBe(false);
    const [declared = ""] = headersOf(seen, "content-type");
    const [, own, boundary = ""] = /^(.*); boundary=([\w-]{20,70})$/.exec(declared) ?? [];
    const pieces = (seen?.bytes.toString("utf8") ?? "").split(`--${boundary}`);
    expect([pieces[0], pieces.at(-1)]).toEqual(["", "--\r\n"]);
    return { own, parts: pieces.slice(1, -1).map((piece) => piece.slice(2, -2)) };
  }

  test("prefixEncoding, then itemEncoding, say what each part is", async () => {
    const media = {
      schema: { type: "array", prefixItems: [{ type: "object" }, { type: "string" }, {}] },
      prefixEncoding: [
        { headers: { "X-Part": { schema: { const: "first" } } } },
        { contentType: "text/xml, text/plain" },
        { contentType: "image/*" },
      ],
      itemEncoding: { contentType: "application/pdf" },
    };
    const png = { data: base64("p"), mimeType: "image/png" };
    const pdf = { data: base64("d"), filename: "a.pdf" };
    const body = [{ a: null }, "<a/>", png, pdf, pdf];
    const attached = 'Content-Disposition: attachment; filename="a.pdf"\r\n';
    expect(await placed("multipart/mixed", media, body)).toEqual({
      own: "multipart/mixed",
      parts: [
        'Content-Type: application/json\r\nX-Part: first\r\n\r\n{"a":null}',
        "Content-Type: text/xml\r\n\r\n<a/>",
        "Content-Type: image/png\r\n\r\np",
        `${attached}Content-Type: application/pdf\r\n\r\nd`,
        `${attached}Content-Type: application/pdf\r\n\r\nd`,
      ],
    });
  });

  test("without encodings the schemas say it; the declared parameters stay", async () => {
    const schema = {
      type: "array",
      prefixItems: [{ type: "object" }, { contentMediaType: "image/png" }],
      items: { type: "string" },
    };
    const body = [{ b: 1 }, { data: base64("i") }, "é"];
    expect(await placed('multipart/related; type="application/json"', { schema }, body)).toEqual({
      own: 'multipart/related; type="application/json"',
      parts: [
        'Content-Type: application/json\r\n\r\n{"b":1}',
        "Content-Type: application/octet-stream\r\n\r\ni",
        "Content-Type: text/plain; charset=utf-8\r\n\r\né",
      ],
    });
  });

  test("itemSchema alone makes a list of parts", async () => {
    const media = {
      itemSchema: { type: "object" },
      itemEncoding: { contentType: "application/json" },
    };
    const { parts } = await placed("multipart/mixed", media, [{ a: 1 }, { a: 2 }]);
    expect(parts).toEqual([1, 2].map((a) => `Content-Type: application/json\r\n\r\n{"a":${a}}`));
  });

  test("a bad file is named with its place", async () => {
    const media = { itemSchema: {}, itemEncoding: { contentType: "application/pdf" } };
    const body = [{ data: "" }, { data: "!" }];
    const { told, seen } = await send({ "multipart/mixed": media }, body, { version: "3.2.0" });
    expect([told, seen]).toEqual(["body[1].data must be base64", undefined]);
  });

  test.each(["3.1.0", "3.2.0"])(
    "%s: what says nothing of its parts is no tool",
    async (version) => {
      const media = version === "3.1.0" ? { schema: { type: "array" } } : object;
      const it = await worldFor({ "multipart/mixed": media }, { version });
      expect([...it.gateway.snapshot.catalog.tools.keys()]).toEqual([]);
      expect(it.gateway.snapshot.warnings.map(({ code }) => code)).toEqual([
        "unsupported_media_type",
      ]);
    },
  );
});

test("a stream of events is no body: the operation is left out, and load says so", async () => {
  const it = await worldFor({ "text/event-stream": {} }, { version: "3.2.0" });
  expect([...it.gateway.snapshot.catalog.tools.keys()]).toEqual([]);
  expect(it.gateway.snapshot.warnings.map(({ code }) => code)).toEqual(["unsupported_media_type"]);
});
