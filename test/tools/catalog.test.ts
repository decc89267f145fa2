import { expect, test } from "vitest";

import { compileTools, entryOf, jsonBody, operation } from "./compile.ts";

const get = (operationId: string, more: object = {}): object => ({ get: { operationId, ...more } });

test.each([
  { method: "get", hints: { readOnlyHint: true, idempotentHint: true } },
  { method: "head", hints: { readOnlyHint: true, idempotentHint: true } },
  { method: "options", hints: { readOnlyHint: true, idempotentHint: true } },
  {
    method: "put",
    hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  },
  {
    method: "delete",
    hints: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  },
  { method: "post", hints: { readOnlyHint: false, destructiveHint: true } },
  { method: "patch", hints: { readOnlyHint: false, destructiveHint: true } },
])("S69: $method is hinted as what the method means", async ({ method, hints }) => {
  const { tool } = await compileTools({ apis: { a: operation({}, "/things", method) } });
  expect(entryOf(tool("op"))["annotations"]).toEqual({ ...hints, openWorldHint: true });
});

test("a rule says otherwise", async () => {
  const { tool } = await compileTools({
    apis: { a: operation({}) },
    tools:
      "- {operation: op, annotations: {destructive: false, idempotent: true, openWorld: false}}",
  });
  expect(entryOf(tool("op"))["annotations"]).toEqual({
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: false,
  });
});

test("a search by POST that a rule calls read-only has no destructive hint", async () => {
  const { tool } = await compileTools({
    apis: { a: operation({}) },
    tools: "- {operation: op, annotations: {readOnly: true}}",
  });
  expect(entryOf(tool("op"))["annotations"]).toEqual({
    readOnlyHint: true,
    idempotentHint: true,
    openWorldHint: true,
  });
});

test.each([
  { summary: "Find.", description: "", says: "Find." },
  { summary: "Find.", description: "Find. Then tell.", says: "Find. Then tell." },
  { summary: "Find.", description: "By name.", says: "Find.\nBy name." },
  { summary: "", description: "", says: "POST /things" },
])("$summary and $description read $says", async ({ summary, description, says }) => {
  const { tool } = await compileTools({ apis: { a: operation({ summary, description }) } });
  expect(entryOf(tool("op"))["description"]).toBe(says);
});

test("a long description ends at a sentence before 1,024 characters", async () => {
  const description = `${"This is one sentence. ".repeat(40)}${"no end ".repeat(60)}`;
  const { tool } = await compileTools({ apis: { a: operation({ description }) } });
  expect(entryOf(tool("op"))["description"]).toBe("This is one sentence. ".repeat(40).trim());
});

test("deprecated operations say so, or are left out unless named", async () => {
  const apis = {
    a: { paths: { "/old": get("old", { deprecated: true }), "/new": get("new_one") } },
  };
  const { tool } = await compileTools({ apis });
  expect(entryOf(tool("old"))["description"]).toBe("DEPRECATED. GET /old");
  const api = "skipDeprecated: true";
  expect((await compileTools({ apis, api })).names).toEqual(["new_one"]);
  const tools = '- operation: old\n- match: {paths: ["/**"]}';
  expect((await compileTools({ apis, api, tools })).names).toEqual(["new_one", "old"]);
});

test.each([
  { id: "actions/list-x", name: /^actions_list-x$/ },
  { id: "Zürich.find all", name: /^Zurich_find_all$/ },
  { id: "2fa", name: /^_2fa$/ },
  { id: undefined, name: /^get_things_by_id_parts$/ },
  { id: "word_".repeat(40), name: /^(word_){9}[0-9a-f]{6}$/ },
])("$id is called like $name", async ({ id, name }) => {
  const spec = { paths: { "/things/{id}/parts": { get: { operationId: id } } } };
  const { names } = await compileTools({ apis: { a: spec } });
  expect(names).toEqual([expect.stringMatching(name)]);
});

test("equal names differ by a mark of their own operation, whatever the order and case", async () => {
  const paths = { "/a": get("same"), "/b": get("Same"), "/c": get("same") };
  const reversed = Object.fromEntries(Object.entries(paths).toReversed());
  const one = await compileTools({ apis: { a: { paths } } });
  const two = await compileTools({ apis: { a: { paths: reversed } } });
  expect(one.names).toHaveLength(3);
  expect(one.tool("same").operation.path).toBe("/a");
  expect(one.names.filter((name) => /^same_[0-9a-f]{6}$/i.test(name))).toHaveLength(2);
  const pathsOf = ({ catalog }: typeof one): unknown =>
    [...catalog.tools.values()].map(({ name, operation: { path } }) => [name, path]);
  expect(pathsOf(two)).toEqual(pathsOf(one));
});

test("S66: two apis of one name need a prefix", async () => {
  const apis = { a: { paths: { "/x": get("find") } }, b: { paths: { "/y": get("find") } } };
  const plain = await compileTools({ apis });
  expect(plain.issues).toMatchObject([{ severity: "error", code: "duplicate_tool_name" }]);
  const { names, issues } = await compileTools({ apis, api: "prefix: true" });
  expect(issues).toEqual([]);
  expect(names).toEqual(["a_find", "b_find"]);
});

test("the list has the same bytes for any order of the document", async () => {
  const schemas = { A: { type: "object", properties: { b: { $ref: "#/components/schemas/B" } } } };
  const others = { B: { type: "string" }, C: { type: "integer" } };
  const post = {
    operationId: "write",
    ...jsonBody({
      anyOf: [{ $ref: "#/components/schemas/C" }, { $ref: "#/components/schemas/A" }],
    }),
  };
  const one = {
    paths: { "/x": { post }, "/y": get("read"), "/z": get("read") },
    components: { schemas: { ...schemas, ...others } },
  };
  const two = {
    components: { schemas: { ...others, ...schemas } },
    paths: { "/z": get("read"), "/y": get("read"), "/x": { post } },
  };
  const [a, b] = [
    await compileTools({ apis: { a: one } }),
    await compileTools({ apis: { a: two } }),
  ];
  const all = (): boolean => true;
  expect(Buffer.from(b.catalog.listFor(all, "entry"))).toEqual(
    Buffer.from(a.catalog.listFor(all, "entry")),
  );
  expect(b.catalog.digest).toBe(a.catalog.digest);
});

test("more than 40 tools are warned of once, with their cost", async () => {
  const paths = Object.fromEntries(
    Array.from({ length: 41 }, (_, i) => [`/p${i}`, get(`op${i}`)] as const),
  );
  const { issues } = await compileTools({ apis: { a: { paths } } });
  expect(issues).toMatchObject([{ severity: "warning", code: "many_tools" }]);
  expect(issues[0]?.message).toMatch(/^41 tools cost about \d{4} tokens/);
  const few = Object.fromEntries(Object.entries(paths).slice(0, 40));
  expect((await compileTools({ apis: { a: { paths: few } } })).issues).toEqual([]);
});
