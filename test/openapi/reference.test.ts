import { execFileSync } from "node:child_process";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { expect, test } from "vitest";

import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument } from "../../src/openapi/operation/operation.ts";
import { document, named, newDir, only } from "./load-text.ts";

/** Writes files into a directory of their own and loads `api.yaml`. */
async function loadFiles(
  files: Readonly<Record<string, string>>,
  roots: readonly string[] = [],
): Promise<{ api: ApiDocument; dir: string }> {
  const dir = await newDir();
  await writeFiles(dir, files);
  return { api: await loadFrom(dir, roots), dir };
}

async function writeFiles(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
}

async function loadFrom(dir: string, roots: readonly string[] = []): Promise<ApiDocument> {
  const refs = { roots, allowHosts: [], privateHosts: [] };
  return loadDocument({ file: join(dir, "api.yaml"), position: named, refs });
}

/** The schema of the only query parameter, with its references followed through the pool. */
function schemaOf(api: ApiDocument): unknown {
  return expand(only(api).parameters[0]?.schema, api);
}

function expand(schema: unknown, api: ApiDocument, depth = 12): unknown {
  if (typeof schema !== "object" || schema === null || depth === 0) return schema;
  if (Array.isArray(schema)) return schema.map((item: unknown) => expand(item, api, depth - 1));
  let { $ref, ...all } = schema as Readonly<Record<string, unknown>>;
  while (typeof $ref === "string")
    ({ $ref, ...all } = { ...api.schemas.get($ref.slice("#/$defs/".length)), ...all });
  const entries = Object.entries(all);
  return Object.fromEntries(entries.map(([key, inner]) => [key, expand(inner, api, depth - 1)]));
}

function query(schema: string): string {
  return document(`/a: {get: {parameters: [{name: q, in: query, schema: ${schema}}]}}`);
}

test("path items, parameters, bodies, responses and schemas come from other files", async () => {
  const { api, dir } = await loadFiles({
    "api.yaml": document("/a: {$ref: paths/a.yaml}\n/b: {$ref: 'paths/all.json#/~1b'}"),
    "paths/a.yaml": `post:
  operationId: a
  parameters: [{$ref: '../parts.yaml#/parameters/Q'}]
  requestBody: {$ref: '../parts.yaml#/requestBodies/B'}
  responses: {200: {$ref: '../parts.yaml#/responses/R'}}`,
    "paths/all.json": '{"/b": {"get": {"operationId": "b"}}}',
    "parts.yaml": `parameters: {Q: {name: q, in: query, schema: {$ref: schemas/text.yaml}}}
requestBodies: {B: {content: {application/json: {schema: {$ref: '#/schemas/Body'}}}}}
responses: {R: {description: done, content: {text/plain: {}}}}
schemas: {Body: {type: object, properties: {t: {$ref: ./schemas/text.yaml}}}}`,
    "schemas/text.yaml": "type: string\nminLength: 2\n",
  });
  expect(api.operations.map(({ id }) => id)).toEqual(["a", "b"]);
  const [a] = api.operations;
  expect(a?.position).toEqual({ file: join(dir, "paths/a.yaml"), line: 1, column: 1 });
  expect(a?.responses).toMatchObject([{ description: "done" }]);
  expect(expand(a?.parameters[0]?.schema, api)).toEqual({ type: "string", minLength: 2 });
  expect(expand(a?.bodies[0]?.schema, api)).toEqual({
    type: "object",
    properties: { t: { type: "string", minLength: 2 } },
  });
  expect([...api.files].toSorted()).toEqual(
    ["api.yaml", "parts.yaml", "paths/a.yaml", "paths/all.json", "schemas/text.yaml"].map((name) =>
      join(dir, name),
    ),
  );
  expect([api.warnings, api.skipped, a?.warnings]).toEqual([[], [], []]);
});

test.each([
  ["a whole file", "{$ref: s.yaml}", "type: integer"],
  ["a JSON file", "{$ref: ./s.json}", '{"type": "integer"}'],
  ["a pointer", "{$ref: 's.yaml#/a/b~1c'}", "a: {b/c: {type: integer}}"],
  ["an escaped pointer", "{$ref: 's.yaml#/a%20b'}", "a b: {type: integer}"],
  ["an escaped file name", "{$ref: 'a%20b.yaml'}", "type: integer"],
  ["an anchor", "{$ref: 's.yaml#here'}", "a: {$anchor: here, type: integer}"],
  ["a dynamic anchor", "{$ref: 's.yaml#here'}", "a: {$dynamicAnchor: here, type: integer}"],
  ["the file's $id", "{$ref: 'https://e.test/s'}", "$id: https://e.test/s\ntype: integer"],
  ["a file beside its $id", "{$ref: s.yaml}", "$id: https://e.test/s\ntype: integer"],
  ["a reference in the way", "{$ref: 's.yaml#/a/b'}", "a: {$ref: '#/c'}\nc: {b: {type: integer}}"],
  ["a reference to a reference", "{$ref: s.yaml}", "$ref: '#/x'\nx: {type: integer}"],
  [
    "a fragment inside the other file",
    "{$ref: 's.yaml#/a'}",
    "a: {$ref: '#/components/schemas/T'}\ncomponents: {schemas: {T: {type: integer}}}",
  ],
])("%s is followed", async (_, schema, text) => {
  const elsewhere = `${query(schema)}\n${schema.includes("e.test") ? "x-also: {$ref: s.yaml}\n" : ""}`;
  const name = ["s.json", "a%20b.yaml"].find((file) => schema.includes(file)) ?? "s.yaml";
  const { api } = await loadFiles({ "api.yaml": elsewhere, [decodeURIComponent(name)]: text });
  expect(schemaOf(api)).toEqual({ type: "integer" });
  expect(only(api).warnings).toEqual([]);
});

test("a fragment counts in its own file, whatever others call the same", async () => {
  const { api } = await loadFiles({
    "api.yaml": document(
      "/a: {get: {parameters: [{name: q, in: query, schema: {anyOf: [{$ref: '#/components/schemas/T'}, {$ref: 's.yaml#/components/schemas/U'}, {$ref: '#t'}, {$ref: 's.yaml#t'}]}}]}}",
      "schemas: {T: {type: string}, A: {$anchor: t, title: main}}",
    ),
    "s.yaml":
      "components: {schemas: {T: {type: integer}, U: {$ref: '#/components/schemas/T'}, A: {$anchor: t, title: other}}}",
  });
  expect(schemaOf(api)).toEqual({
    anyOf: [{ type: "string" }, { type: "integer" }, { title: "main" }, { title: "other" }],
  });
});

test("a $ref inside an $id is relative to that", async () => {
  const { api } = await loadFiles({
    "api.yaml": document(
      "/a: {get: {parameters: [{name: q, in: query, schema: {$ref: '#/components/schemas/T'}}]}}",
      "schemas: {T: {$id: sub/t.yaml, items: {$ref: u.yaml}}}",
    ),
    "sub/u.yaml": "type: integer",
  });
  expect(schemaOf(api)).toEqual({ items: { type: "integer" } });
});

test.each([
  ["3.1.0", "openapi: 3.0.3\n", { anyOf: [{ type: ["string", "null"] }, { type: "string" }] }],
  ["3.0.3", "openapi: 3.1.0\n", { anyOf: [{ type: "string" }, { type: "string", minLength: 3 }] }],
  ["3.0.3", "", { anyOf: [{ type: ["string", "null"] }, { type: "string" }] }],
  ["3.1.0", "", { anyOf: [{ type: "string" }, { type: "string", minLength: 3 }] }],
  ["3.1.0", "swagger: '2.0'\n", { anyOf: [{ type: ["integer", "null"] }, { type: "string" }] }],
])("in a %s document, a file that begins with %j is read as what it says it is", async (...row) => {
  const [main, head, becomes] = row;
  const [keyword, type] = head.includes("2.0") ? ["x-nullable", "integer"] : ["nullable", "string"];
  const { api } = await loadFiles({
    "api.yaml": query("{$ref: 's.yaml#/x'}").replace("3.1.0", main),
    "s.yaml": `${head}x: {anyOf: [{type: ${type}, ${keyword}: true}, {$ref: '#/y', minLength: 3}]}\ny: {type: string}`,
  });
  expect(schemaOf(api)).toEqual(becomes);
});

test("operations of other documents are read in the version of each", async () => {
  const { api } = await loadFiles({
    "api.yaml": document(
      "/two: {$ref: 'two.yaml#/paths/~1two'}\n/new: {$ref: 'new.yaml#/paths/~1new'}\n/own: {get: {parameters: [{$ref: 'two.yaml#/parameters/T'}]}}",
      "",
      "3.0.3",
    ),
    "two.yaml": `swagger: "2.0"
consumes: [application/x-www-form-urlencoded]
produces: [text/csv]
parameters: {T: {name: t, in: query, type: array, items: {type: string}, collectionFormat: tsv}}
paths:
  /two:
    post:
      parameters: [{name: f, in: formData, type: string}, {$ref: '#/parameters/T'}]
      responses: {200: {description: ok, schema: {type: string}}}`,
    "new.yaml": `openapi: 3.2.0
paths:
  /new:
    query: {parameters: [{name: q, in: querystring, content: {application/json: {}}}]}
    additionalOperations: {PURGE: {}}`,
  });
  expect(api.skipped).toEqual([]);
  expect(api.operations.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST /two",
    "QUERY /new",
    "PURGE /new",
    "GET /own",
  ]);
  const [two, query32, , own] = api.operations;
  const tabs = { name: "t", encoding: { style: "tabDelimited", explode: false } };
  expect(two).toMatchObject({
    bodies: [{ mediaType: "application/x-www-form-urlencoded" }],
    responses: [{ status: "200", mediaTypes: ["text/csv"] }],
    parameters: [tabs],
  });
  expect(query32?.parameters).toMatchObject([{ in: "querystring" }]);
  expect(own?.parameters).toMatchObject([tabs]);
});

test("subtypes, dialect and version of another document count for itself", async () => {
  const using = (path: string, ref: string): string =>
    `${path}: {get: {parameters: [{name: q, in: query, schema: {$ref: '${ref}'}}]}}`;
  const { api } = await loadFiles({
    "api.yaml": document(
      [
        using("/pets", "pets.yaml#/components/schemas/Pet"),
        using("/old", "old.yaml#/x"),
        using("/odd", "odd.yaml#/x"),
      ].join("\n"),
    ),
    "pets.yaml": `openapi: 3.0.0
components:
  schemas:
    Pet: {discriminator: {propertyName: kind}}
    Cat: {allOf: [{$ref: '#/components/schemas/Pet'}, {required: [lives]}]}`,
    "old.yaml": "openapi: 4.0.0\nx: {type: integer}",
    "odd.yaml": "openapi: 3.1.0\njsonSchemaDialect: urn:odd\nx: {type: integer}",
  });
  expect(api.skipped.map(({ path, issue }) => [path, issue.code])).toEqual([
    ["/odd", "unknown_dialect"],
  ]);
  const [pets, old] = api.operations;
  expect(expand(pets?.parameters[0]?.schema, api)).toMatchObject({
    oneOf: [{ properties: { kind: { const: "Cat" } } }],
  });
  expect(old?.parameters[0]?.schema).toEqual({});
  expect(api.warnings).toMatchObject([{ code: "unsupported_version" }]);
});

test.each(["list.yaml", "list.json"])("a file that is a list is read: %s", async (name) => {
  const list = '[{"name": "q", "in": "query", "schema": {"$ref": "#/1"}}, {"type": "integer"}]';
  const { api } = await loadFiles({
    "api.yaml": document(`/a: {get: {parameters: [{$ref: '${name}#/0'}]}}`),
    [name]: name.endsWith("json")
      ? list
      : list
          .replace("[", "- ")
          .replace(/, (?=\{"type)/, "\n- ")
          .replace(/\]$/, ""),
  });
  expect(schemaOf(api)).toEqual({ type: "integer" });
  expect([api.warnings, only(api).warnings]).toEqual([[], []]);
});

test("files that refer to each other end", async () => {
  const { api } = await loadFiles({
    "api.yaml": query("{$ref: a.yaml}"),
    "a.yaml": "type: object\nproperties: {b: {$ref: b.yaml}}",
    "b.yaml": "type: object\nproperties: {a: {$ref: a.yaml}, main: {$ref: 'api.yaml#/info'}}",
  });
  expect(schemaOf(api)).toMatchObject({
    properties: { b: { properties: { a: { properties: { b: { type: "object" } } } } } },
  });
  expect(api.files).toHaveLength(3);
});

test("aliases across files accept anything and say so", async () => {
  const { api } = await loadFiles({
    "api.yaml": query("{$ref: a.yaml}"),
    "a.yaml": "$ref: b.yaml",
    "b.yaml": "$ref: a.yaml",
  });
  expect(schemaOf(api)).toEqual({});
  expect(api.warnings).toMatchObject([{ code: "circular_ref" }]);
});

test("names of schemas in other files do not depend on where the files are", async () => {
  const files = {
    "api.yaml": query("{anyOf: [{$ref: s/pet.yaml}, {$ref: 's/more.yaml#/defs/Tag'}]}"),
    "s/pet.yaml": "type: integer",
    "s/more.yaml": "defs: {Tag: {type: string}}",
  };
  const [one, two] = [await loadFiles(files), await loadFiles(files)];
  const schema = only(one.api).parameters[0]?.schema;
  expect(schema).toEqual(only(two.api).parameters[0]?.schema);
  expect(JSON.stringify(schema)).toMatch(
    /#\/\$defs\/pet_[0-9a-f]{8}".*#\/\$defs\/Tag_[0-9a-f]{8}"/,
  );
});

test("what a broken file holds is a warning there, and costs only its users", async () => {
  const { api, dir } = await loadFiles({
    "api.yaml": document(
      "/a: {get: {parameters: [{$ref: bad.yaml}]}}\n/b: {get: {operationId: b}}\n/c: {get: {parameters: [{$ref: scalar.yaml}]}}",
    ),
    "bad.yaml": "name: q\nname: r\n",
    "scalar.yaml": "root:x:0:0",
  });
  expect(only(api).id).toBe("b");
  expect(api.skipped.map(({ path, issue }) => [path, issue.code])).toEqual([
    ["/a", "unreadable_ref"],
    ["/c", "unreadable_ref"],
  ]);
  expect(api.warnings).toMatchObject([
    {
      code: "duplicate_key",
      severity: "warning",
      position: { file: join(dir, "bad.yaml"), line: 2 },
    },
  ]);
  expect(JSON.stringify([api.skipped, api.warnings])).not.toContain("root:x");
});

test("S14 S98: links, parents, absolute paths and other schemes lead to no file outside", async () => {
  const dir = await newDir();
  const secret = "name: SECRET\nin: query\nschema: {type: string}\n";
  await writeFiles(dir, { "secret.yaml": secret, "specs2/secret.yaml": secret });
  const specs = join(dir, "specs");
  await mkdir(specs);
  await symlink(join(dir, "secret.yaml"), join(specs, "link.yaml"));
  await symlink(dir, join(specs, "up"));
  await symlink("/", join(specs, "root"));
  execFileSync("mkfifo", [join(specs, "pipe.yaml")]);
  const targets: readonly (readonly [string, string])[] = [
    ["../secret.yaml", "ref_outside_directory"],
    ["../specs2/secret.yaml", "ref_outside_directory"],
    ["sub/../../secret.yaml", "ref_outside_directory"],
    ["%2e%2e/secret.yaml", "ref_outside_directory"],
    ["..%2fsecret.yaml", "ref_outside_directory"],
    ["link.yaml", "ref_outside_directory"],
    ["up/secret.yaml", "ref_outside_directory"],
    ["root/etc/hostname", "ref_outside_directory"],
    [join(dir, "secret.yaml"), "ref_outside_directory"],
    [`file://${dir}/secret.yaml`, "ref_outside_directory"],
    ["file://host/secret.yaml", "ref_outside_directory"],
    ["/etc/hostname", "ref_outside_directory"],
    ["/dev/zero", "ref_outside_directory"],
    ["/proc/self/environ", "ref_outside_directory"],
    ["pipe.yaml", "unreadable_ref"],
    [".", "ref_outside_directory"],
    ["sub%00.yaml", "ref_outside_directory"],
    ["http://127.0.0.1:9/x.yaml", "ref_host_not_allowed"],
    ["//127.0.0.1/x.yaml", "ref_outside_directory"],
    ["data:application/json,{}", "external_ref"],
  ];
  const paths = targets.map(([ref], i) => `/p${i}: {get: {parameters: [{$ref: '${ref}'}]}}`);
  await writeFile(join(specs, "api.yaml"), document([...paths, "/ok: {get: {}}"].join("\n")));
  const api = await loadFrom(specs);
  expect(api.operations.map(({ path }) => path)).toEqual(["/ok"]);
  expect(api.skipped.map(({ issue }, i) => [targets[i]?.[0], issue.code])).toEqual(targets);
  expect(JSON.stringify(api)).not.toContain("SECRET");
  // A file that does not exist outside is told like one that does.
  expect(api.skipped[0]?.issue.message).toContain("leads out of the document's directory");
});

test("configured roots are open, after their links are followed", async () => {
  const dir = await newDir();
  await writeFiles(dir, {
    "common/s.yaml": "type: integer",
    "secret/s.yaml": "type: string",
    "specs/api.yaml": query("{anyOf: [{$ref: ../common/s.yaml}, {$ref: ../common/away.yaml}]}"),
  });
  await symlink(join(dir, "secret/s.yaml"), join(dir, "common/away.yaml"));
  const api = await loadFrom(join(dir, "specs"), [join(dir, "common")]);
  expect(schemaOf(api)).toEqual({ anyOf: [{ type: "integer" }, {}] });
});

test("a mounted ConfigMap, a directory of links, is read and watched by its names", async () => {
  const dir = await newDir();
  await writeFiles(dir, {
    "..v1/api.yaml": query("{$ref: s.yaml}"),
    "..v1/s.yaml": "type: integer",
  });
  await symlink("..v1", join(dir, "..data"));
  for (const name of ["api.yaml", "s.yaml"]) await symlink(`..data/${name}`, join(dir, name));
  const api = await loadFrom(dir);
  expect(schemaOf(api)).toEqual({ type: "integer" });
  expect(api.files).toEqual([join(dir, "api.yaml"), join(dir, "s.yaml")]);
  await writeFiles(dir, {
    "..v2/api.yaml": query("{$ref: s.yaml}"),
    "..v2/s.yaml": "type: string",
  });
  await symlink("..v2", join(dir, "..new"));
  await rename(join(dir, "..new"), join(dir, "..data"));
  expect(schemaOf(await loadFrom(dir))).toEqual({ type: "string" });
});

test("a file that is not there is watched, so that it counts when it comes", async () => {
  const { api, dir } = await loadFiles({ "api.yaml": query("{$ref: later.yaml}") });
  expect(api.files).toEqual([join(dir, "api.yaml"), join(dir, "later.yaml")]);
});

test("3.2: $self names the document, and files beside it are found under its names", async () => {
  const { api } = await loadFiles({
    "api.yaml": `openapi: 3.2.0
$self: https://api.example.com/specs/api.yaml
paths:
  /a: {get: {parameters: [{name: q, in: query, schema: {anyOf: [
    {$ref: 'https://api.example.com/specs/api.yaml#/components/schemas/T'},
    {$ref: s.yaml}, {$ref: 'https://api.example.com/specs/s.yaml'}, {$ref: 'https://api.example.com/x'}]}}]}}
components: {schemas: {T: {type: string}}}`,
    "s.yaml": "type: integer",
  });
  expect(schemaOf(api)).toEqual({
    anyOf: [{ type: "string" }, { type: "integer" }, { type: "integer" }, {}],
  });
  expect(only(api).warnings).toMatchObject([{ code: "ref_host_not_allowed" }]);
});

test("a chain of 2,000 files is read to its end; one more is told", async () => {
  const files = Array.from({ length: 2001 }, (_, i) => [
    `f${i}.yaml`,
    `items: {$ref: f${i + 1}.yaml}`,
  ]);
  const { api } = await loadFiles({
    "api.yaml": query("{$ref: f0.yaml}"),
    ...Object.fromEntries(files),
  });
  expect(only(api).id).toBeUndefined();
  expect(api.files).toHaveLength(2000);
  const nameIn = (schema: unknown): string =>
    (schema as { $ref: string }).$ref.slice("#/$defs/".length);
  let name = nameIn(only(api).parameters[0]?.schema);
  for (let i = 0; i < 1998; i++) {
    name = nameIn(api.schemas.get(name)?.["items"]);
  }
  expect(api.schemas.get(name)).toEqual({ items: {} });
  expect(api.warnings).toMatchObject([{ code: "too_many_documents" }]);
}, 30_000);
