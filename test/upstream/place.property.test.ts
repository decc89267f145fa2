import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { anonymous } from "../../src/auth/anonymous.ts";
import { CallError } from "../../src/base/errors.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { compileCatalog } from "../../src/tools/catalog.ts";
import { collectValues } from "../../src/tools/values.ts";
import type { WireRequest } from "../../src/upstream/request/message.ts";
import { compileRequest } from "../../src/upstream/request/request.ts";
import { loadConfig } from "../../src/config/load.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import { writeSpec } from "../openapi/load-text.ts";

/** No argument leaves its place, however it is written; read by parsers that are not ours. */
const runs = { numRuns: 20_000 };
const timeout = 180_000;

const credential = {
  headers: ["authorization", "Bearer secret"],
  query: "key=secret",
  cookie: "session=secret",
};

type Build = (args: JsonObject) => WireRequest | undefined;
let builders: Readonly<Record<string, Build>> = {};

const any = {};
const free = { type: "object" };
const taking = (type: string): object => ({
  post: {
    operationId: type.split("/")[1]?.split("-")[0],
    requestBody: { content: { [type]: { schema: free } } },
  },
});
const paths = {
  "/query": {
    get: {
      operationId: "query",
      parameters: [
        { name: "a", in: "query", schema: any },
        { name: "list", in: "query", schema: any },
        { name: "packed", in: "query", schema: any, explode: false },
        { name: "deep", in: "query", schema: any, style: "deepObject" },
        { name: "json", in: "query", content: { "application/json": { schema: any } } },
        { name: "raw", in: "query", schema: any, allowReserved: true },
        { name: "free", in: "query", schema: free },
      ],
    },
  },
  "/header": {
    get: {
      operationId: "header",
      parameters: [
        { name: "X-A", in: "header", schema: any },
        { name: "X-List", in: "header", schema: any },
        { name: "X-Free", in: "header", schema: free, explode: true },
      ],
    },
  },
  "/cookie": {
    get: {
      operationId: "cookie",
      parameters: [
        { name: "a", in: "cookie", schema: any },
        { name: "list", in: "cookie", schema: any },
        { name: "raw", in: "cookie", schema: any, style: "cookie" },
        { name: "free", in: "cookie", schema: free },
      ],
    },
  },
  "/urlencoded": taking("application/x-www-form-urlencoded"),
  "/multipart": taking("multipart/form-data"),
};

beforeAll(async () => {
  const info = { title: "T", version: "1" };
  const spec = await writeSpec(JSON.stringify({ openapi: "3.2.0", info, paths }), "api.json");
  const gateway = `{version: 1, server: {url: "http://127.0.0.1:3000"}, auth: {mode: none}, apis: {api: {spec: ${spec}, url: "http://api.test", credential: none, tools: [{match: {paths: ["/**"]}}]}}}`;
  const [config] = (await loadConfig(await writeSpec(gateway, "gateway.yaml"), {})).apis;
  if (config === undefined) throw new Error("no api");
  const document = await loadDocument({ file: spec, position: config.specPosition });
  const { catalog } = compileCatalog([{ config, document }]);
  const shape = { basePath: "", userAgent: "tollgate", deepLists: "repeat" } as const;
  builders = Object.fromEntries(
    [...catalog.tools.values()].map((tool) => {
      const compiled = compileRequest(tool, shape);
      const tryBuild: Build = (args) => {
        try {
          return compiled(collectValues(tool.places, args, anonymous), credential);
        } catch (error) {
          if (error instanceof CallError && error.code === "invalid_arguments") return undefined;
          throw error;
        }
      };
      return [tool.operation.path.slice(1), tryBuild];
    }),
  );
});

function build(tool: string, args: JsonObject): WireRequest | undefined {
  const found = builders[tool];
  if (found === undefined) throw new Error(`no tool ${tool}: ${Object.keys(builders).join()}`);
  return found(args);
}

const pieces =
  "& = # ? + % %26 %3D %0d%0a %00 ; , | [ ] : / \\ \" ' -- a b key session list deep free X-A é 😀 é".split(
    " ",
  );
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...pieces, " "), { maxLength: 6 }).map((all) => all.join("")),
  fc
    .array(fc.constantFrom(...pieces, " ", "\r\n", "\n", "\u0000", "\t"), { maxLength: 6 })
    .map((all) => all.join("")),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const list = fc.array(hostile, { minLength: 1, maxLength: 3 });
const object = fc.dictionary(hostile, hostile, { minKeys: 1, maxKeys: 3, noNullPrototype: true });

test("S10: a value in a query adds no parameter and changes no other", { timeout }, () => {
  let built = 0;
  const args = fc.record({
    a: hostile,
    list,
    packed: list,
    deep: object,
    json: object,
    raw: hostile,
    free: object,
  });
  fc.assert(
    fc.property(args, (given) => {
      const request = build("query", given);
      if (request === undefined) return;
      built += 1;
      const url = new URL(`http://api.test${request.path}`);
      expect([url.pathname, url.hash]).toEqual(["/query", ""]);
      const read = [...url.searchParams];
      const deep = Object.entries(given.deep).map(([key, text]) => [`deep[${key}]`, text]);
      const raw = read.find(([name]) => name === "raw");
      expect(read).toEqual([
        ["a", given.a],
        ...given.list.map((item) => ["list", item]),
        // Its delimiters are raw, so only the whole can be compared once it is decoded.
        ["packed", given.packed.join(",")],
        ...deep,
        ["json", JSON.stringify(given.json)],
        // Triples pass, so the value may be decoded once more; its place is what counts.
        raw,
        ...Object.entries(given.free),
        ["key", "secret"],
      ]);
    }),
    runs,
  );
  expect(built).toBeGreaterThan(1_000);
});

/** Most of these may stand in a header, so that most calls are built. */
const latin = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.string({ unit: fc.constantFrom(...': , ; = " \\ % \t x é ÿ'.split(" ")) }),
  },
  { weight: 1, arbitrary: hostile },
);
const latinList = fc.array(latin, { minLength: 1, maxLength: 3 });
const latinObject = fc.dictionary(latin, latin, { minKeys: 1, maxKeys: 3, noNullPrototype: true });

test("S22: a value in a header adds no header and arrives as it is", { timeout }, () => {
  let built = 0;
  const args = fc.record({ "X-A": latin, "X-List": latinList, "X-Free": latinObject });
  fc.assert(
    fc.property(args, (given) => {
      const request = build("header", given);
      if (request === undefined) return;
      built += 1;
      const { headers } = request;
      const lines = headers.flatMap((text, i) =>
        i % 2 === 0 ? [`${text}: ${headers[i + 1]}`] : [],
      );
      const bytes = Buffer.from(lines.join("\r\n"), "latin1").toString("latin1");
      const pairs = Object.entries(given["X-Free"]).map(([key, text]) => `${key}=${text}`);
      // A server ends a header at any of these.
      expect(bytes.split(/\r\n|[\r\n\0]/).slice(3)).toEqual([
        `x-a: ${given["X-A"]}`,
        `x-list: ${given["X-List"].join(",")}`,
        `x-free: ${pairs.join(",")}`,
        "authorization: Bearer secret",
        "cookie: session=secret",
      ]);
    }),
    runs,
  );
  expect(built).toBeGreaterThan(1_000);
});

test("a value in a cookie adds no cookie and changes no other", { timeout }, () => {
  let built = 0;
  const args = fc.record({ a: hostile, list, raw: hostile, free: object });
  fc.assert(
    fc.property(args, (given) => {
      const request = build("cookie", given);
      if (request === undefined) return;
      built += 1;
      const at = request.headers.indexOf("cookie");
      const read = (request.headers[at + 1] ?? "").split(";").map((pair) => {
        const [name = "", text = ""] = pair.trim().split(/=(.*)/s);
        return name === "raw" ? [name, text] : [decodeURIComponent(name), decodeURIComponent(text)];
      });
      expect(read).toEqual([
        ["a", given.a],
        ...given.list.map((item) => ["list", item]),
        ["raw", given.raw],
        ...Object.entries(given.free),
        ["session", "secret"],
      ]);
    }),
    runs,
  );
  expect(built).toBeGreaterThan(1_000);
});

const member = fc.oneof(hostile, list, object);
const body = fc.dictionary(hostile, member, { minKeys: 1, maxKeys: 4, noNullPrototype: true });

/** What a body says, member by member: a list repeats its name, an object is JSON. */
function membersOf(
  given: Readonly<Record<string, string | readonly string[] | object>>,
): string[][] {
  return Object.entries(given).flatMap(([name, value]) => {
    if (Array.isArray(value)) return value.map((item) => [name, String(item)]);
    return [[name, typeof value === "string" ? value : JSON.stringify(value)]];
  });
}

test("a value in a form adds no field and changes no other", { timeout }, () => {
  let built = 0;
  fc.assert(
    fc.property(body, (given) => {
      const request = build("urlencoded", { body: given });
      if (request === undefined) return;
      built += 1;
      expect([...new URLSearchParams(String(request.body))]).toEqual(membersOf(given));
    }),
    runs,
  );
  expect(built).toBeGreaterThan(10_000);
});

test("S31: a value in a multipart body adds no part and changes no other", { timeout }, () => {
  fc.assert(
    fc.property(body, (given) => {
      const request = build("multipart", { body: given });
      const type = request?.headers[request.headers.indexOf("content-type") + 1] ?? "";
      const [, boundary = ""] = type.split("boundary=");
      const text = Buffer.from(request?.body ?? "").toString("latin1");
      // Every way a lenient server might see a delimiter.
      const parts = text.split(
        new RegExp(`(?:^|\r\n|\n|\r)--${boundary}(?:--)?[ \t]*(?:\r\n|\n|\r)`),
      );
      const read = parts.slice(1, -1).map((part) => {
        const [head = "", content = ""] = part.split(/\r\n\r\n(.*)/s);
        expect(head.split(/\r\n|[\r\n\0]/)).toHaveLength(2);
        const [, name = ""] =
          /^Content-Disposition: form-data; name="([^"]*)"\r\n/.exec(head) ?? [];
        return [name, content].map((latin1) => Buffer.from(latin1, "latin1").toString());
      });
      expect(read).toEqual(membersOf(given).map(([name = "", value]) => [escapeName(name), value]));
    }),
    runs,
  );
});

/** As browsers write a name that could end its quotes or its line. */
function escapeName(name: string): string {
  return Array.from(name, (char) =>
    char === '"' || char < " " || char === "\u007f"
      ? `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`
      : char,
  ).join("");
}
