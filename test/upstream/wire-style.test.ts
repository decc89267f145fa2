import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { world, type World, type WorldOptions } from "../world/world.ts";

/** A parameter as the document writes it, the value a model gives, and what the API receives. */
interface Cell {
  readonly param: Readonly<Record<string, unknown>>;
  readonly value: unknown;
  /** Request target after `/x`; `/x` alone is the empty string. */
  readonly path?: string;
  readonly header?: string | undefined;
  readonly cookie?: string | undefined;
}

const values = {
  primitive: "blue",
  array: ["blue", "black", "brown"],
  object: { R: 100, G: 200, B: 150 },
};
const schemas = {
  primitive: { type: "string" },
  array: { type: "array", items: { type: "string" } },
  object: { type: "object" },
};
/** One operation per cell; a world is expensive, so one serves a whole table. */
async function worldOf(
  cells: readonly Cell[],
  options: Partial<WorldOptions> & { readonly version?: string } = {},
): Promise<World> {
  const paths: Record<string, unknown> = {};
  for (const [i, { param }] of cells.entries()) {
    const name = String(param["name"]);
    const path = param["in"] === "path" ? `/x/{${name}}/${i}` : `/x/${i}`;
    paths[path] = {
      get: { operationId: `op${i}`, parameters: [param], responses: { "200": {} } },
    };
  }
  const { version = "3.2.0", ...rest } = options;
  const head = version === "2.0" ? { swagger: "2.0", openapi: undefined } : { openapi: version };
  return world({ auth: "none", ...rest, spec: { ...head, paths } });
}

/** The one argument of a cell's tool; names that no model may send have another spelling. */
function argumentOf(it: World, tool: string): string {
  const properties = it.gateway.snapshot.catalog.tools.get(tool)?.inputSchema["properties"];
  return Object.keys(properties ?? {})[0] ?? "";
}

/** Calls the tool of every cell. @returns What the API received and should not have. */
async function faults(it: World, cells: readonly Cell[]): Promise<readonly object[]> {
  const found: object[] = [];
  for (const [i, cell] of cells.entries()) {
    const before = it.api.requests.length;
    const result = await it.call(`op${i}`, { [argumentOf(it, `op${i}`)]: cell.value });
    const [seen, ...more] = it.api.requests.slice(before);
    const { in: where, name } = cell.param;
    const received = {
      told: result.isError === true ? result.content[0]?.text : "",
      requests: seen === undefined ? more.length : more.length + 1,
      path: seen?.path,
      header: "header" in cell ? rawHeader(seen?.rawHeaders ?? [], String(name)) : undefined,
      cookie: rawHeader(seen?.rawHeaders ?? [], "cookie"),
    };
    const expected = {
      told: "",
      requests: 1,
      path: where === "path" ? `/x/${cell.path}/${i}` : `/x/${i}${cell.path ?? ""}`,
      header: cell.header,
      cookie: cell.cookie,
    };
    if (!isDeepStrictEqual(received, expected)) found.push({ ...cell, received, expected });
  }
  return found;
}

/** The value of a header that occurs once; bytes as Latin-1. */
function rawHeader(raw: readonly string[], name: string): string | undefined {
  const found = raw.filter(
    (_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name.toLowerCase(),
  );
  expect(found.length, name).toBeLessThan(2);
  return found[0];
}

/** Rows of OAS 3.2 §4.12.2.2: style, explode, primitive, array, object (`-`: not defined). */
const styleTable = {
  path: `
    matrix         false ;color=blue ;color=blue,black,brown                   ;color=R,100,G,200,B,150
    matrix         true  ;color=blue ;color=blue;color=black;color=brown       ;R=100;G=200;B=150
    label          false .blue       .blue,black,brown                         .R,100,G,200,B,150
    label          true  .blue       .blue.black.brown                         .R=100.G=200.B=150
    simple         false blue        blue,black,brown                          R,100,G,200,B,150
    simple         true  blue        blue,black,brown                          R=100,G=200,B=150`,
  query: `
    form           true  color=blue  color=blue&color=black&color=brown        R=100&G=200&B=150
    form           false color=blue  color=blue,black,brown                    color=R,100,G,200,B,150
    spaceDelimited false -           color=blue%20black%20brown                color=R%20100%20G%20200%20B%20150
    pipeDelimited  false -           color=blue%7Cblack%7Cbrown                color=R%7C100%7CG%7C200%7CB%7C150
    spaceDelimited true  color=blue  color=blue&color=black&color=brown        R=100&G=200&B=150
    pipeDelimited  true  color=blue  color=blue&color=black&color=brown        R=100&G=200&B=150
    deepObject     true  color=blue  color=blue&color=black&color=brown        color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150
    deepObject     false color=blue  color=blue&color=black&color=brown        color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150`,
  header: `
    simple         false blue        blue,black,brown                          R,100,G,200,B,150
    simple         true  blue        blue,black,brown                          R=100,G=200,B=150`,
  cookie: `
    form           true  color=blue  color=blue;_color=black;_color=brown      R=100;_G=200;_B=150
    form           false color=blue  color=blue,black,brown                    color=R,100,G,200,B,150
    cookie         true  color=blue  color=blue;_color=black;_color=brown      R=100;_G=200;_B=150
    cookie         false color=blue  color=blue,black,brown                    color=R,100,G,200,B,150`,
} as const;

type Location = keyof typeof styleTable;

function cellsOf(where: Location): Cell[] {
  return styleTable[where]
    .trim()
    .split("\n")
    .flatMap((row) => {
      const [style, explode, ...texts] = row.trim().split(/\s+/);
      return (["primitive", "array", "object"] as const).flatMap((shape, i): Cell[] => {
        const text = (texts[i] ?? "").replaceAll("_", " ");
        if (text === "-") return [];
        const schema = schemas[shape];
        const param = { name: "color", in: where, style, explode: explode === "true", schema };
        return [
          {
            param: { ...param, required: where === "path" },
            ...sent(where, text),
            value: values[shape],
          },
        ];
      });
    });
}

function sent(where: Location, text: string): Partial<Cell> {
  if (where === "path") return { path: text };
  if (where === "query") return { path: `?${text}` };
  return where === "header" ? { header: text } : { cookie: text };
}

test.each(["path", "query", "header", "cookie"] as const)(
  "the style table in %s, byte for byte",
  async (where) => {
    const cells = cellsOf(where);
    const it = await worldOf(cells);
    expect(await faults(it, cells)).toEqual([]);
    expect(it.api.requests).toHaveLength(cells.length);
  },
);

test("styles and explode that the document does not name are those of the location", async () => {
  const cells = (["path", "query", "header", "cookie"] as const).flatMap((where) =>
    (["primitive", "array", "object"] as const).map((shape): Cell => {
      const explode = where === "query" || where === "cookie";
      const text = cellsOf(where).find(
        ({ param, value }) =>
          param["explode"] === explode &&
          value === values[shape] &&
          ["form", "simple"].includes(String(param["style"])),
      );
      const { param = {}, ...rest } = text ?? {};
      const { style: _style, explode: _explode, ...plain } = param;
      return { param: plain, value: values[shape], ...rest };
    }),
  );
  expect(cells).toHaveLength(12);
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

test.each(["3.0.0", "3.0.3", "3.0.4", "3.1.0", "3.1.1", "3.2.0"])(
  "an unexploded label list has commas in %s",
  async (version) => {
    const cells = cellsOf("path").filter(({ param }) => param["style"] === "label");
    expect(await faults(await worldOf(cells, { version }), cells)).toEqual([]);
  },
);

function query(schema: object, more: object = {}): Cell["param"] {
  return { name: "q", in: "query", schema, ...more };
}
const text = { type: "string" };
const list = { type: "array", items: {} };
const any = {};
const unreserved = "AZaz09-._~";
const reserved = ":/?#[]@!$&'()*+,;=";

test("one value in a query, byte for byte", async () => {
  const cells: readonly Cell[] = [
    // Each item is encoded, then joined with the raw delimiter.
    { param: query(list, { explode: false }), value: ["a,b", "c"], path: "?q=a%2Cb,c" },
    {
      param: query(list, { style: "pipeDelimited", explode: false }),
      value: ["a|b", "c"],
      path: "?q=a%7Cb%7Cc",
    },
    {
      param: query(list, { style: "spaceDelimited", explode: false }),
      value: ["a b", "c"],
      path: "?q=a%20b%20c",
    },
    { param: query(any, { explode: false }), value: { "a,b": "c,d" }, path: "?q=a%2Cb,c%2Cd" },
    { param: query(any), value: { "a&b": "c=d" }, path: "?a%26b=c%3Dd" },
    // Everything outside RFC 3986 unreserved.
    { param: query(text), value: unreserved, path: `?q=${unreserved}` },
    {
      param: query(text),
      value: reserved,
      path: "?q=%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D",
    },
    {
      param: query(text),
      value: '%20 é€😀"<>\\^`{|}',
      path: "?q=%2520%20%C3%A9%E2%82%AC%F0%9F%98%80%22%3C%3E%5C%5E%60%7B%7C%7D",
    },
    // allowReserved: reserved characters and triples pass, but `# & + [ ]` never.
    {
      param: query(text, { allowReserved: true }),
      value: `${reserved}%2F%zz% é`,
      path: "?q=:/?%23%5B%5D@!$%26'()*%2B,;=%2F%25zz%25%20%C3%A9",
    },
    { param: query(any, { allowReserved: true }), value: { "a=b": "c:d" }, path: "?a%3Db=c:d" },
    { param: query(list, { allowReserved: true }), value: ["a/b", "c&d"], path: "?q=a/b&q=c%26d" },
    // deepObject goes as deep as the value.
    {
      param: query(any, { style: "deepObject" }),
      value: { a: { b: { c: 1 } }, d: [1, 2], e: null, f: "", "g[h]": "&" },
      path: "?q%5Ba%5D%5Bb%5D%5Bc%5D=1&q%5Bd%5D=1&q%5Bd%5D=2&q%5Bf%5D=&q%5Bg%5Bh%5D%5D=%26",
    },
    // Null, absent, [] and {} are left out; null members too; "", false and 0 are sent.
    { param: query(any), value: null, path: "" },
    { param: query(any), value: undefined, path: "" },
    { param: query(any), value: [], path: "" },
    { param: query(any), value: {}, path: "" },
    { param: query(any), value: [null], path: "" },
    { param: query(any), value: { a: null }, path: "" },
    { param: query(any, { style: "deepObject" }), value: { a: { b: null } }, path: "" },
    { param: query(any, { explode: false }), value: [], path: "" },
    { param: query(any), value: ["a", null, "b"], path: "?q=a&q=b" },
    { param: query(any, { explode: false }), value: ["a", null, "b"], path: "?q=a,b" },
    { param: query(any, { explode: false }), value: { a: 1, b: null, c: 2 }, path: "?q=a,1,c,2" },
    { param: query(text), value: "", path: "?q=" },
    { param: query(text, { allowEmptyValue: true }), value: "", path: "?q=" },
    { param: query({ type: "integer" }, { allowEmptyValue: true }), value: 0, path: "?q=0" },
    { param: query(any), value: ["", "a"], path: "?q=&q=a" },
    { param: query(any), value: { a: "" }, path: "?a=" },
    { param: query({ type: "boolean" }), value: false, path: "?q=false" },
    { param: query({ type: "boolean" }), value: true, path: "?q=true" },
    { param: query({ type: "integer" }), value: 0, path: "?q=0" },
    { param: query({ type: "number" }), value: -0.5, path: "?q=-0.5" },
    { param: query({ type: "number" }), value: 1e21, path: "?q=1000000000000000000000" },
    {
      param: query(list, { explode: false }),
      value: [1e21, -1e22],
      path: "?q=1000000000000000000000,-10000000000000000000000",
    },
    {
      param: query({ type: "integer", format: "int64" }),
      value: "9223372036854775807",
      path: "?q=9223372036854775807",
    },
    // Nesting that no style defines is JSON.
    { param: query(any), value: { a: { b: [1] } }, path: "?a=%7B%22b%22%3A%5B1%5D%7D" },
    { param: query(any), value: [[1, 2], 3], path: "?q=%5B1%2C2%5D&q=3" },
    // Names are encoded like values; the argument has another name.
    { param: query(text, { name: "filter[name]" }), value: "x", path: "?filter%5Bname%5D=x" },
    { param: query(text, { name: "a b&c=d" }), value: "x", path: "?a%20b%26c%3Dd=x" },
    { param: query(text, { name: "$schema" }), value: "x", path: "?%24schema=x" },
    { param: query(text, { name: "é", allowReserved: true }), value: "x", path: "?%C3%A9=x" },
    { param: query(text, { name: "n:o", allowReserved: true }), value: "x", path: "?n%3Ao=x" },
  ];
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

test.each([
  { arrays: "repeat", sent: "?q%5Bd%5D=1&q%5Bd%5D=2&q%5Be%5D%5Bf%5D=3" },
  { arrays: "brackets", sent: "?q%5Bd%5D%5B%5D=1&q%5Bd%5D%5B%5D=2&q%5Be%5D%5B%5D%5Bf%5D=3" },
  { arrays: "indices", sent: "?q%5Bd%5D%5B0%5D=1&q%5Bd%5D%5B1%5D=2&q%5Be%5D%5B0%5D%5Bf%5D=3" },
])("lists inside a deepObject with deepObjectArrays: $arrays", async ({ arrays, sent: path }) => {
  const param = query(any, { style: "deepObject" });
  const cells = [{ param, value: { d: [1, null, 2], e: [{ f: 3 }] }, path }];
  const api = `deepObjectArrays: ${arrays}`;
  expect(await faults(await worldOf(cells, { extra: { api } }), cells)).toEqual([]);
});

test("deepObject on what is no object is told at load", async () => {
  const param = query(list, { style: "deepObject" });
  const it = await worldOf([
    { param, value: [] },
    { param: query(any, { style: "deepObject" }), value: {} },
  ]);
  expect(it.gateway.snapshot.warnings.map(({ code }) => code)).toEqual([
    "deep_object_without_object",
  ]);
});

function inPath(schema: object, more: object = {}): Cell["param"] {
  return { name: "p", in: "path", required: true, schema, ...more };
}

test("one value in a path, byte for byte", async () => {
  const cells: readonly Cell[] = [
    { param: inPath(text), value: "a/b", path: "a%2Fb" },
    { param: inPath(text), value: "..x", path: "..x" },
    { param: inPath(text), value: "a?b#c", path: "a%3Fb%23c" },
    { param: inPath(text), value: "a;b=c", path: "a%3Bb%3Dc" },
    { param: inPath(list), value: ["a,b", "c"], path: "a%2Cb,c" },
    { param: inPath(list, { style: "label", explode: true }), value: ["a.b", "c"], path: ".a.b.c" },
    { param: inPath(any, { style: "matrix" }), value: { "a;b": "c=d" }, path: ";p=a%3Bb,c%3Dd" },
    { param: inPath({ type: "integer" }), value: 0, path: "0" },
    { param: inPath({ type: "boolean" }), value: false, path: "false" },
    { param: inPath({ type: "number" }), value: 1e21, path: "1000000000000000000000" },
    // 3.2 allows allowReserved in a path; `/ ? #` still never pass.
    {
      param: inPath(text, { allowReserved: true }),
      value: "a/b?c#d:e@f;g+h%2F%",
      path: "a%2Fb%3Fc%23d:e@f;g+h%2F%25",
    },
    { param: inPath(text, { name: "a-b.c" }), value: "x", path: "x" },
    { param: inPath(text, { name: "a[b]", style: "matrix" }), value: "x", path: ";a%5Bb%5D=x" },
    {
      param: {
        name: "p",
        in: "path",
        required: true,
        content: { "application/json": { schema: any } },
      },
      value: { a: [1, "b c"] },
      path: "%7B%22a%22%3A%5B1%2C%22b%20c%22%5D%7D",
    },
  ];
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

/** One operation at `path`; calls it and says what came of it. */
async function callOnce(
  spec: WorldOptions["spec"],
  args: Readonly<Record<string, unknown>>,
  options: Partial<WorldOptions> = {},
): Promise<{ readonly it: World; readonly text: string; readonly isError: boolean }> {
  const it = await world({ auth: "none", ...options, spec });
  const [tool = ""] = it.gateway.snapshot.catalog.tools.keys();
  const { content, isError = false } = await it.call(tool, args);
  return { it, text: content[0]?.text ?? "", isError };
}

test.each([
  { key: "/v1/{+name}", name: "projects/p/topics/t", sent: "/v1/projects/p/topics/t" },
  { key: "/v1/{+name}:run", name: "a b/c?d#e", sent: "/v1/a%20b/c%3Fd%23e:run" },
  { key: "/v1/{name=users/*}", name: "users/7", sent: "/v1/users/7" },
])("$key is expanded with its slashes", async ({ key, name, sent: path }) => {
  const param = { name: "name", in: "path", required: true, schema: text };
  const { it } = await callOnce({ paths: { [key]: { get: { parameters: [param] } } } }, { name });
  expect(it.api.requests.map((seen) => seen.path)).toEqual([path]);
});

test.each([
  "",
  ".",
  "..",
  "%2e%2e",
  "%252e%252E",
  "%25252e.",
  "a/../b",
  "..%2fb",
  "a\\..",
  "..;",
  ".;x",
  "%2e%2e;a",
  "a\n",
  "\u0000",
])("S01, S02, S03: %j is refused in a path, never encoded", async (value) => {
  const cell = { param: inPath(text), value };
  const it = await worldOf([cell]);
  const { isError, content } = await it.call("op0", { p: value });
  expect(isError).toBe(true);
  expect(content[0]?.text).toMatch(/^p /);
  expect(it.api.requests).toEqual([]);
});

test.each([
  { key: "/v1/{+name}", name: "a/../b" },
  { key: "/v1/{+name}", name: "/a" },
  { key: "/v1/{+name}", name: "a//b" },
  { key: "/v1/{+name}", name: "a/" },
  { key: "/v1/{name=users/*}", name: "users/.." },
])("$key refuses $name", async ({ key, name }) => {
  const param = { name: "name", in: "path", required: true, schema: text };
  const paths = { [key]: { get: { parameters: [param] } } };
  const { it, isError, text: told } = await callOnce({ paths }, { name });
  expect(isError).toBe(true);
  expect(told).toContain("name");
  expect(it.api.requests).toEqual([]);
});

test.each([[{ a: ".", b: "." }], [{ a: "x", b: ".." }]])(
  "S02: values side by side cannot climb: %j",
  async (args) => {
    const param = { in: "path", required: true, schema: text };
    const parameters = ["a", "b"].map((name) => ({ ...param, name, style: "label" }));
    const { it, isError } = await callOnce(
      { paths: { "/x/{a}{b}": { get: { parameters } } } },
      args,
    );
    expect(isError).toBe(true);
    expect(it.api.requests).toEqual([]);
  },
);

function header(schema: object, more: object = {}): Cell["param"] {
  return { name: "X-H", in: "header", schema, ...more };
}

test("one value in a header, not percent-encoded", async () => {
  const cells: readonly Cell[] = [
    { param: header(text), value: 'a b%20,;="é', header: 'a b%20,;="é' },
    { param: header(list), value: ["a,b", "c d"], header: "a,b,c d" },
    { param: header(text), value: "", header: "" },
    { param: header(any), value: false, header: "false" },
    { param: header(any), value: 0, header: "0" },
    { param: header(any), value: 1e21, header: "1000000000000000000000" },
    { param: header(any), value: null, header: undefined },
    { param: header(any), value: [], header: undefined },
    { param: header(any), value: {}, header: undefined },
    { param: header(any), value: ["a", null], header: "a" },
    {
      param: { name: "X-H", in: "header", content: { "application/json": { schema: any } } },
      value: { a: "b c" },
      header: '{"a":"b c"}',
    },
    {
      param: { name: "X-H", in: "header", content: { "text/plain": { schema: text } } },
      value: "a b",
      header: "a b",
    },
  ];
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

test.each(["a\r\nX-Evil: 1", "a\nb", "a\u0000b", "\u007f", "日本", "€", " a", "a\t", " "])(
  "S22: %j is refused in a header, naming the argument",
  async (value) => {
    const it = await worldOf([{ param: header(text), value }]);
    const { isError, content } = await it.call("op0", { "X-H": value });
    expect(isError).toBe(true);
    expect(content[0]?.text).toMatch(/^X-H .*header/);
    expect(it.api.requests).toEqual([]);
  },
);

test.each([
  { name: "User-Agent", value: "mine/1.0" },
  { name: "Accept-Encoding", value: "gzip" },
])(
  "$name is sent once: as the argument says, else as the gateway does",
  async ({ name, value }) => {
    const param = { name, in: "header", schema: text };
    const { it } = await callOnce(
      { paths: { "/x": { get: { operationId: "op", parameters: [param] } } } },
      { [name]: value },
    );
    await it.call("op", {});
    const key = name.toLowerCase();
    const [given, own] = it.api.requests.map(({ rawHeaders }) => rawHeader(rawHeaders, key));
    expect(given).toBe(value);
    expect(own).toMatch(/^(?:tollgate\/|identity$)/);
  },
);

function cookie(schema: object, more: object = {}): Cell["param"] {
  return { name: "c", in: "cookie", schema, ...more };
}

test("one value in a cookie: percent-encoded as form, as it is with style cookie", async () => {
  const cells: readonly Cell[] = [
    {
      param: cookie(text),
      value: "Hello, world!; x=é",
      cookie: "c=Hello%2C%20world%21%3B%20x%3D%C3%A9",
    },
    {
      param: cookie(text, { style: "cookie" }),
      value: "Hello, world!%20",
      cookie: "c=Hello, world!%20",
    },
    { param: cookie(text, { style: "cookie" }), value: "", cookie: "c=" },
    { param: cookie(any, { style: "cookie" }), value: { a: "b=c", d: null }, cookie: "a=b=c" },
    { param: cookie(list), value: ["a;b", "c"], cookie: "c=a%3Bb; c=c" },
    { param: cookie(any), value: { "a;b": "c" }, cookie: "a%3Bb=c" },
    { param: cookie(any), value: [], cookie: undefined },
    { param: cookie(any), value: null, cookie: undefined },
    { param: cookie(text, { name: "a[b]" }), value: "x", cookie: "a%5Bb%5D=x" },
    {
      param: { name: "c", in: "cookie", content: { "application/json": { schema: any } } },
      value: [1],
      cookie: "c=%5B1%5D",
    },
  ];
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

test.each(["a; b=c", "a\r\nX: y", "a\nb", "\u0000", "é", " a", "a "])(
  "%j is refused with style cookie",
  async (value) => {
    const it = await worldOf([{ param: cookie(text, { style: "cookie" }), value }]);
    const { isError, content } = await it.call("op0", { c: value });
    expect(isError).toBe(true);
    expect(content[0]?.text).toMatch(/^c /);
    expect(it.api.requests).toEqual([]);
  },
);

test("cookies of arguments and of the credential travel in one header", async () => {
  const parameters = [cookie(text, { name: "a" }), cookie(any, { name: "b" })];
  const { it } = await callOnce(
    { paths: { "/x": { get: { parameters } } } },
    { a: "1", b: ["2", "3"] },
    { credential: "static: {cookie: session, value: '${CLIENT_SECRET}'}" },
  );
  const [seen] = it.api.requests;
  expect(rawHeader(seen?.rawHeaders ?? [], "cookie")).toBe("a=1; b=2; b=3; session=client-secret");
});

function whole(mediaType: string, media: object = { schema: any }): Cell["param"] {
  return { name: "query", in: "querystring", content: { [mediaType]: media } };
}

test("in: querystring is the whole query, in three media types", async () => {
  const form = "application/x-www-form-urlencoded";
  const fields = { encoding: { a: { style: "pipeDelimited", explode: false } } };
  const cells: readonly Cell[] = [
    { param: whole(form), value: { foo: "a + b", bar: true }, path: "?foo=a+%2B+b&bar=true" },
    {
      param: whole(form),
      value: { a: [1, null, 2], b: { c: 1 }, d: null, e: "~*" },
      path: "?a=1&a=2&b=%7B%22c%22%3A1%7D&e=%7E%2A",
    },
    {
      param: whole(form, { schema: any, ...fields }),
      value: { a: ["x y", "z"], b: "c d" },
      path: "?a=x%20y%7Cz&b=c+d",
    },
    { param: whole(form), value: {}, path: "" },
    {
      param: whole("application/json"),
      value: { a: [1, "é"] },
      path: "?%7B%22a%22%3A%5B1%2C%22%C3%A9%22%5D%7D",
    },
    { param: whole("application/json"), value: "a b", path: "?%22a%20b%22" },
    { param: whole("text/plain"), value: "a b&c=d", path: "?a%20b%26c%3Dd" },
  ];
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

test("content parameters in a query are compact text, then percent-encoded", async () => {
  const content = (type: string): Cell["param"] => ({
    name: "q",
    in: "query",
    content: { [type]: { schema: any } },
  });
  const json = content("application/json");
  const cells: readonly Cell[] = [
    { param: json, value: { a: [1, "b"] }, path: "?q=%7B%22a%22%3A%5B1%2C%22b%22%5D%7D" },
    { param: json, value: "x", path: "?q=%22x%22" },
    { param: json, value: [], path: "?q=%5B%5D" },
    { param: json, value: false, path: "?q=false" },
    { param: content("application/vnd.x+json"), value: "x", path: "?q=%22x%22" },
    { param: content("text/plain"), value: "x y", path: "?q=x%20y" },
    { param: content("application/xml"), value: "<a/>", path: "?q=%3Ca%2F%3E" },
  ];
  expect(await faults(await worldOf(cells), cells)).toEqual([]);
});

test("2.0 collectionFormat, in every place and nested", async () => {
  const strings = { type: "string" };
  const array = (where: string, collectionFormat?: string, items: object = strings): object => ({
    name: "v",
    in: where,
    type: "array",
    items,
    ...(collectionFormat === undefined ? {} : { collectionFormat }),
    ...(where === "path" ? { required: true } : {}),
  });
  const row = (param: object, value: unknown, target: Partial<Cell>): Cell => ({
    param: param as Cell["param"],
    value,
    ...target,
  });
  const two = ["a b", "c,d"];
  const pairs = [
    ["a", "b"],
    ["c", "d"],
  ];
  const inner = (collectionFormat?: string): object => ({
    type: "array",
    items: strings,
    ...(collectionFormat === undefined ? {} : { collectionFormat }),
  });
  const cells = [
    row(array("query"), two, { path: "?v=a%20b,c%2Cd" }),
    row(array("query", "csv"), two, { path: "?v=a%20b,c%2Cd" }),
    row(array("query", "ssv"), two, { path: "?v=a%20b%20c%2Cd" }),
    row(array("query", "tsv"), two, { path: "?v=a%20b%09c%2Cd" }),
    row(array("query", "pipes"), two, { path: "?v=a%20b%7Cc%2Cd" }),
    row(array("query", "multi"), two, { path: "?v=a%20b&v=c%2Cd" }),
    row(array("path"), two, { path: "a%20b,c%2Cd" }),
    row(array("path", "ssv"), ["a", "b"], { path: "a%20b" }),
    row(array("path", "tsv"), ["a", "b"], { path: "a%09b" }),
    row(array("path", "pipes"), ["a", "b"], { path: "a%7Cb" }),
    row(array("path", "multi"), ["a", "b"], { path: "a,b" }),
    row(array("header"), two, { header: "a b,c,d" }),
    row(array("header", "ssv"), ["a", "b"], { header: "a b" }),
    row(array("header", "tsv"), ["a", "b"], { header: "a\tb" }),
    row(array("header", "pipes"), ["a", "b"], { header: "a|b" }),
    row(array("header", "multi"), ["a", "b"], { header: "a,b" }),
    row(array("query", "pipes", inner()), pairs, { path: "?v=a,b%7Cc,d" }),
    row(array("query", "csv", inner("ssv")), pairs, { path: "?v=a%20b,c%20d" }),
    row(array("query", "multi", inner("tsv")), pairs, { path: "?v=a%09b&v=c%09d" }),
    row(
      array("query", "ssv", { ...inner("pipes"), items: inner("csv") }),
      [[["a", "b"], ["c"]], [["d"]]],
      { path: "?v=a,b%7Cc%20d" },
    ),
    row(array("header", "pipes", inner()), pairs, { header: "a,b|c,d" }),
    row({ name: "v", in: "query", type: "string", allowEmptyValue: true }, "", { path: "?v=" }),
  ];
  expect(await faults(await worldOf(cells, { version: "2.0" }), cells)).toEqual([]);
});

test.each([
  { key: "/x?Action=Get", args: { q: "1" }, sent: "/x?Action=Get&q=1" },
  { key: "/x?Action=Get&b", args: {}, sent: "/x?Action=Get&b" },
  { key: "/x?a=é b", args: {}, sent: "/x?a=%C3%A9%20b" },
  { key: "/é b|[c]", args: {}, sent: "/%C3%A9%20b|[c]" },
])("the text of the path key $key is kept", async ({ key, args, sent: path }) => {
  const paths = { [key]: { get: { parameters: [query(text)] } } };
  const { it } = await callOnce({ paths }, args);
  expect(it.api.requests.map((seen) => seen.path)).toEqual([path]);
});

test("S09: control characters are refused wherever text is percent-encoded", async () => {
  const params = [query(text), inPath(text), cookie(text), query(text, { allowReserved: true })];
  const cells = params.map((param) => ({ param, value: "" }));
  const it = await worldOf(cells);
  for (const [i] of cells.entries()) {
    for (const value of ["a\r\nb", "\u0000", "\t", "\u0085"]) {
      const name = argumentOf(it, `op${i}`);
      const { isError, content } = await it.call(`op${i}`, { [name]: value });
      expect(isError, `${i} ${JSON.stringify(value)}`).toBe(true);
      expect(content[0]?.text).toMatch(new RegExp(`^${name} `));
    }
  }
  expect(it.api.requests).toEqual([]);
});

describe("a member of an exploded object cannot take the place of another parameter", () => {
  const free = { name: "free", schema: { type: "object" } };
  const forced = "- {match: {paths: ['/**']}, args: {tenant: {value: acme}}}";

  test.each([
    { where: "query", name: "tenant" },
    { where: "query", name: "TENANT" },
    { where: "cookie", name: "tenant" },
  ])("$name in $where", async ({ where, name }) => {
    const parameters = [
      { ...free, in: where },
      { name: "tenant", in: where, schema: text },
    ];
    const spec = { paths: { "/x": { get: { parameters } } } };
    const { it, isError } = await callOnce(spec, { free: { [name]: "evil" } }, { tools: forced });
    expect(isError).toBe(true);
    expect(it.api.requests).toEqual([]);
    const { isError: fine = false } = await it.call("get_x", { free: { other: "1" } });
    expect(fine).toBe(false);
    const [seen] = it.api.requests;
    expect(`${seen?.path} ${seen?.headers.cookie}`).toMatch(/other=1(?:&|; )tenant=acme/);
  });

  test.each(["query", "cookie"])("the credential's name in %s", async (where) => {
    const credential = `static: {${where}: key, value: '\${CLIENT_SECRET}'}`;
    const spec = { paths: { "/x": { get: { parameters: [{ ...free, in: where }] } } } };
    const { it, isError } = await callOnce(spec, { free: { key: "evil" } }, { credential });
    expect(isError).toBe(true);
    expect(it.api.requests).toEqual([]);
  });

  test("the fixed query's name", async () => {
    const paths = { "/x?Action=Get": { get: { parameters: [{ ...free, in: "query" }] } } };
    const { it, isError } = await callOnce({ paths }, { free: { action: "Delete" } });
    expect(isError).toBe(true);
    expect(it.api.requests).toEqual([]);
  });
});

test("names that no text could be encoded from keep no tool from loading", async () => {
  const parameters = [
    query(text, { name: "a\nb" }),
    query(text, { name: "\ud800" }),
    cookie(text, { name: "c d;", style: "cookie" }),
  ];
  const { it, isError } = await callOnce(
    { openapi: "3.2.0", paths: { "/x": { get: { parameters } } } },
    {},
  );
  const properties =
    it.gateway.snapshot.catalog.tools.get("get_x")?.inputSchema["properties"] ?? {};
  const names = Object.keys(properties);
  expect([isError, names.length]).toEqual([false, 3]);
  await it.call("get_x", Object.fromEntries(names.map((name) => [name, "v"])));
  const seen = it.api.requests.at(-1);
  expect(seen?.path).toBe("/x?a%0Ab=v&%EF%BF%BD=v");
  expect(seen?.headers.cookie).toBe("c%20d%3B=v");
});
