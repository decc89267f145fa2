import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";

import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument } from "../../src/openapi/operation/operation.ts";
import {
  convertComponent,
  document,
  loadText,
  named as namedAt,
  newDir,
  only,
} from "./load-text.ts";

test.each([
  [
    "nullable widens the type",
    "3.0.3",
    { type: "string", nullable: true },
    { type: ["string", "null"] },
  ],
  [
    "a nullable enum gains null",
    "3.0.3",
    { type: "string", nullable: true, enum: ["a"] },
    { type: ["string", "null"], enum: ["a", null] },
  ],
  ["nullable without a type is ignored", "3.0.3", { nullable: true }, {}],
  [
    "nullable is no keyword of 3.1",
    "3.1.0",
    { type: "string", nullable: true },
    { type: "string" },
  ],
  [
    "a nullable composition gains a null branch",
    "3.0.3",
    { nullable: true, allOf: [{ $ref: "#/components/schemas/T" }] },
    { anyOf: [{ $ref: "#/$defs/T" }, { type: "null" }] },
  ],
  [
    "a nullable oneOf gains a null branch",
    "3.0.3",
    { nullable: true, oneOf: [{ type: "string" }] },
    { oneOf: [{ type: "string" }, { type: "null" }] },
  ],
  [
    "a boolean exclusive bound moves the bound",
    "3.0.3",
    { minimum: 1, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
    { exclusiveMinimum: 1, maximum: 9 },
  ],
  ["a numeric exclusive bound stays", "3.1.0", { exclusiveMinimum: 1 }, { exclusiveMinimum: 1 }],
  [
    "example becomes examples",
    "3.0.3",
    { type: "string", example: "a" },
    { type: "string", examples: ["a"] },
  ],
  [
    "at most two short examples stay",
    "3.1.0",
    { examples: ["x".repeat(300), "a", "b", "c"] },
    { examples: ["a", "b"] },
  ],
  ["an array says what its items are", "3.0.3", { type: "array" }, { type: "array", items: {} }],
  [
    "a tuple becomes prefixItems",
    "3.0.3",
    { type: "array", items: [{ type: "string" }], additionalItems: false },
    { type: "array", prefixItems: [{ type: "string" }], items: false },
  ],
  [
    "dependencies split by form",
    "3.0.3",
    { dependencies: { a: ["b"], c: { required: ["d"] } } },
    { dependentRequired: { a: ["b"] }, dependentSchemas: { c: { required: ["d"] } } },
  ],
  ["a type list of one is a name", "3.1.0", { type: ["string"] }, { type: "string" }],
  ["a type list stays", "3.1.0", { type: ["string", "null"] }, { type: ["string", "null"] }],
  ["a repeated enum value goes", "3.1.0", { enum: ["a", "b", "a", 1, 1] }, { enum: ["a", "b", 1] }],
  [
    "values of a string enum are text",
    "3.1.0",
    { type: "string", enum: ["yes", false, 7] },
    { type: "string", enum: ["yes", "false", "7"] },
  ],
  [
    "extensions and wire hints go",
    "3.1.0",
    { type: "string", xml: {}, externalDocs: {}, "x-foo": 1, "x-mcp-header": "H", "unheard-of": 1 },
    { type: "string" },
  ],
  [
    "read-only properties are nobody's input",
    "3.0.3",
    {
      type: "object",
      required: ["id", "name"],
      properties: {
        id: { type: "string", readOnly: true },
        name: { type: "string", writeOnly: true },
      },
    },
    {
      type: "object",
      required: ["name"],
      properties: { name: { type: "string", writeOnly: true } },
    },
  ],
  [
    "what a part declares read-only no other part requires",
    "3.0.3",
    { allOf: [{ $ref: "#/components/schemas/R" }, { required: ["id"] }] },
    { allOf: [{ $ref: "#/$defs/R" }, {}] },
  ],
  [
    "boolean schemas become objects, and impossible properties go",
    "3.1.0",
    { properties: { any: true, never: false }, not: true, additionalProperties: false },
    { properties: { any: {} }, not: {}, additionalProperties: false },
  ],
  [
    "words beside a reference are all that counts in 3.0",
    "3.0.3",
    { $ref: "#/components/schemas/T", description: "d", minLength: 3 },
    { $ref: "#/$defs/T", description: "d" },
  ],
  [
    "keywords beside a reference count in 3.1",
    "3.1.0",
    { $ref: "#/components/schemas/T", minLength: 3 },
    { $ref: "#/$defs/T", minLength: 3 },
  ],
  ["a file of 2.0 is binary text", "3.0.3", { type: "file" }, { type: "string", format: "binary" }],
])("%s", async (_, version, schema, becomes) => {
  const others = {
    T: { type: "string" },
    R: { type: "object", properties: { id: { readOnly: true } } },
  };
  expect((await convertComponent(schema, { version, others })).schema).toEqual(becomes);
});

test("the keywords of 2020-12 survive", async () => {
  // As text, because an object with a member `then` looks like a promise.
  const written = `{"$anchor": "here", "$defs": {"N": {"type": "integer"}}, "if": {"required": ["a"]},
    "then": {"required": ["b"]}, "else": {"maxProperties": 1}, "const": {"a": 1},
    "dependentSchemas": {"a": {"required": ["c"]}}, "anyOf": [{"type": "object"}],
    "unevaluatedProperties": false, "additionalProperties": {"type": "string"}}`;
  const schema = JSON.parse(written) as object;
  expect((await convertComponent(schema)).schema).toEqual(schema);
});

test.each([
  ["minLength", "x"],
  ["maxItems", -1],
  ["minimum", "3"],
  ["multipleOf", 0],
  ["required", true],
  ["type", "any"],
  ["enum", []],
  ["properties", 3],
  ["allOf", {}],
  ["uniqueItems", "yes"],
])("%s: %j is left out with a warning, so that the schema compiles", async (keyword, value) => {
  const { schema, api } = await convertComponent({ title: "t", [keyword]: value });
  expect(schema).toEqual({ title: "t" });
  expect(api.warnings).toMatchObject([{ code: "bad_keyword" }]);
});

test.each(["(?i)a", "\\A", "a++", "\\_"])(
  "S53: the pattern %s is told in words",
  async (pattern) => {
    const { schema, api } = await convertComponent({ type: "string", description: "d", pattern });
    expect(schema).toEqual({ type: "string", description: `d\nPattern: ${pattern}` });
    expect(api.warnings).toMatchObject([{ code: "bad_pattern", severity: "warning" }]);
  },
);

test("a branch of a discriminated choice gets the values that choose it", async () => {
  const { schema } = await convertComponent(
    {
      discriminator: {
        propertyName: "kind",
        mapping: { kitty: "#/components/schemas/Cat", cat: "Cat" },
      },
      oneOf: ["Cat", "Dog", "Own"].map((name) => ({ $ref: `#/components/schemas/${name}` })),
    },
    {
      others: {
        Cat: { type: "object" },
        Dog: { type: "object" },
        Own: { properties: { kind: { const: "own" } } },
      },
    },
  );
  expect(schema).toEqual({
    oneOf: [
      { $ref: "#/$defs/Cat", properties: { kind: { enum: ["kitty", "cat"] } }, required: ["kind"] },
      { $ref: "#/$defs/Dog", properties: { kind: { const: "Dog" } }, required: ["kind"] },
      { $ref: "#/$defs/Own" },
    ],
  });
});

test("a child of a discriminated parent names the parent without its choice", async () => {
  const { schema, api } = await convertComponent(
    { oneOf: [{ $ref: "#/components/schemas/Cat" }], properties: { name: { type: "string" } } },
    {
      others: {
        Cat: { allOf: [{ $ref: "#/components/schemas/S" }, { required: ["name"] }] },
      },
    },
  );
  expect(schema).toMatchObject({ oneOf: [{ $ref: "#/$defs/Cat" }] });
  const cat = api.schemas.get("Cat") as { allOf: { $ref: string }[] };
  const base = cat.allOf[0]?.$ref.slice("#/$defs/".length) ?? "";
  expect(base).not.toBe("S");
  expect(api.schemas.get(base)).toEqual({ properties: { name: { type: "string" } } });
  expect(validator(api, "S")({ name: 1 })).toBe(false);
  expect(validator(api, "S")({ name: "Tom" })).toBe(true);
});

test.each([
  ["3.0.3", "components/schemas", { propertyName: "kind", mapping: { puppy: "Puppy" } }, "puppy"],
  ["3.1.0", "components/schemas", { propertyName: "kind" }, "Puppy"],
  ["2.0", "definitions", "kind", "Puppy"],
])("%s: a discriminated parent is the choice of its known subtypes", async (...row) => {
  const [version, at, discriminator, puppy] = row;
  const ref = (name: string): object => ({ $ref: `#/${at}/${name}` });
  const named = (name: string): object => ({
    type: "object",
    required: [name],
    properties: { [name]: { type: "string" } },
  });
  const schemas = {
    Pet: { discriminator, required: ["kind"], properties: { kind: { type: "string" } } },
    Cat: { allOf: [ref("Pet"), named("lives")] },
    Dog: { allOf: [ref("Pet"), named("bark")] },
    Puppy: { allOf: [ref("Dog"), named("age")] },
    Other: { allOf: [named("x")] },
  };
  const holder = version === "2.0" ? { definitions: schemas } : { components: { schemas } };
  const head = version === "2.0" ? { swagger: version } : { openapi: version };
  const api = await loadText(JSON.stringify({ ...head, paths: {}, ...holder }), "api.json");
  expect(api.schemas.get("Pet")?.["oneOf"]).toMatchObject([
    { $ref: "#/$defs/Cat", properties: { kind: { const: "Cat" } }, required: ["kind"] },
    { $ref: "#/$defs/Dog", properties: { kind: { const: "Dog" } } },
    { $ref: "#/$defs/Puppy", properties: { kind: { const: puppy } } },
  ]);
  const valid = validator(api, "Pet");
  expect(valid({ kind: "Cat", lives: "9" })).toBe(true);
  expect(valid({ kind: puppy, bark: "b", age: "1" })).toBe(true);
  expect(valid({ kind: "Cat", bark: "b" })).toBe(false);
  expect(valid({ kind: "Other", x: "1" })).toBe(false);
  // A subtype alone is the subtype, whatever its parent offers.
  expect(validator(api, "Cat")({ kind: "Cat", lives: "9" })).toBe(true);
  expect(api.warnings).toEqual([]);
});

test("3.2: defaultMapping lets the property be absent", async () => {
  const { api } = await convertComponent(
    {
      oneOf: ["Cat", "Dog"].map((name) => ({ $ref: `#/components/schemas/${name}` })),
      discriminator: { propertyName: "kind", defaultMapping: "Dog" },
    },
    {
      version: "3.2.0",
      others: {
        Cat: { type: "object", required: ["kind"], properties: { kind: { type: "string" } } },
        Dog: { type: "object" },
      },
    },
  );
  const valid = validator(api, "S");
  expect(valid({})).toBe(true);
  expect(valid({ kind: "Cat" })).toBe(true);
  expect(valid({ kind: "whatever nobody else is" })).toBe(true);
});

test.each([
  "https://json-schema.org/draft/2020-12/schema",
  "https://spec.openapis.org/oas/3.1/dialect/base",
  "http://json-schema.org/draft-07/schema#",
  "http://json-schema.org/draft-04/schema#",
  "urn:odd",
])("jsonSchemaDialect %s", async (uri) => {
  const text = `openapi: 3.1.0\ninfo: {title: T, version: 1.5}\njsonSchemaDialect: '${uri}'\npaths: {/a: {get: {}}}`;
  const { operations, skipped } = await loadText(text);
  const codes = skipped.map(({ issue }) => issue.code);
  expect([operations.length, codes]).toEqual(
    uri === "urn:odd" ? [0, ["unknown_dialect"]] : [1, []],
  );
});

test.each([
  ["itself", { S: { $ref: "#/components/schemas/S" } }],
  ["a pair", { S: { $ref: "#/components/schemas/B" }, B: { $ref: "#/components/schemas/S" } }],
  ["itself by allOf", { S: { allOf: [{ $ref: "#/components/schemas/S" }] } }],
  ["itself by anyOf and if", { S: { anyOf: [{ if: { $ref: "#/components/schemas/S" } }] } }],
])("a schema that is only %s accepts anything and never hangs a validator", async (_, others) => {
  const { S, ...rest } = others as Record<string, object>;
  const { api } = await convertComponent(S as object, { others: rest });
  expect(validator(api, "S")({ any: 1 })).toBe(true);
  expect(api.warnings[0]).toMatchObject({ code: "circular_ref" });
});

test("a recursive tree keeps its references", async () => {
  const tree = {
    type: "object",
    properties: { children: { type: "array", items: { $ref: "#/components/schemas/S" } } },
  };
  const { schema, api } = await convertComponent(tree);
  expect(schema).toMatchObject({ properties: { children: { items: { $ref: "#/$defs/S" } } } });
  expect(validator(api, "S")({ children: [{ children: [3] }] })).toBe(false);
  expect(api.warnings).toEqual([]);
});

test.each([
  ["#/components/schemas/A~1b~0%20c", "A_b__c"],
  ["#/components/schemas/T/properties/b", /^T\.properties\.b_[0-9a-f]{8}$/],
  ["#/components/schemas/Alias/properties/b", /^T\.properties\.b_[0-9a-f]{8}$/],
  ["#tea", "T"],
  ["https://example.com/t", "T"],
  ["https://example.com/t#/properties/b", /^T\.properties\.b_[0-9a-f]{8}$/],
])("%s gets the name %s", async (ref, name) => {
  const { schema, api } = await convertComponent(
    { items: { $ref: ref } },
    {
      others: {
        "A/b~ c": { type: "integer" },
        T: {
          $id: "https://example.com/t",
          $anchor: "tea",
          properties: { b: { type: "boolean" } },
        },
        Alias: { $ref: "#/components/schemas/T" },
      },
    },
  );
  const found = (schema as { items: { $ref: string } }).items.$ref.slice("#/$defs/".length);
  expect(found).toMatch(name instanceof RegExp ? name : new RegExp(`^${name}(_[0-9a-f]{8})?$`));
  expect(api.schemas.get(found)).toBeDefined();
});

test("$defs of a schema are reached from inside it, and $dynamicRef is read as a reference", async () => {
  const { schema, api } = await convertComponent({
    $defs: { N: { $dynamicAnchor: "node", type: "integer" } },
    properties: { a: { $ref: "#/$defs/N" }, b: { $dynamicRef: "#node" } },
  });
  const { a, b } = (schema as { properties: Record<string, { $ref: string }> }).properties;
  expect(a).toEqual(b);
  expect(api.schemas.get(a?.$ref.slice("#/$defs/".length) ?? "")).toEqual({ type: "integer" });
  expect(api.warnings).toMatchObject([{ code: "dynamic_ref" }]);
});

test("a pointer inside an embedded schema is relative to it, also when that part is reached alone", async () => {
  const { schema, api } = await convertComponent(
    { items: { $ref: "#/components/schemas/E/properties/a" } },
    {
      others: {
        E: {
          $id: "urn:e",
          $defs: { N: { type: "integer" } },
          properties: { a: { items: { $ref: "#/$defs/N" } } },
        },
      },
    },
  );
  const at = (found: unknown): string =>
    (found as { items: { $ref: string } }).items.$ref.slice("#/$defs/".length);
  expect(api.schemas.get(at(api.schemas.get(at(schema))))).toEqual({ type: "integer" });
});

test("S15: an allOf that doubles at every level is left as it is", async () => {
  const schemas = Array.from({ length: 40 }, (_, i) => {
    const next = `{$ref: '#/components/schemas/A${i + 1}'}`;
    return `A${i}: {allOf: [${i < 39 ? `${next}, ${next}` : "{type: object}"}]}`;
  });
  const api = await loadText(
    document(
      "/a: {post: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/A0'}}}}}}",
      `schemas: {${schemas.join(", ")}}`,
    ),
  );
  expect(only(api).bodies[0]?.schema).toEqual({
    allOf: [{ $ref: "#/$defs/A1" }, { $ref: "#/$defs/A1" }],
  });
});

test("names do not depend on the order of questions", async () => {
  const others = {
    "A b": { items: { $ref: "#/components/schemas/S/properties/x" } },
    "A-b": { type: "string" },
    A_b: { type: "integer" },
  };
  const schema = { properties: { x: { $ref: "#/components/schemas/A_b" } } };
  const one = (await convertComponent(schema, { others })).api;
  const two = (await convertComponent(schema, { others })).api;
  const asked = ["A_b", "S"];
  const first = asked.map((name) => one.schemas.get(name));
  const second = asked.toReversed().map((name) => two.schemas.get(name));
  expect(second.toReversed()).toEqual(first);
});

test("a reference to nowhere accepts anything and says so", async () => {
  const { schema, api } = await convertComponent({
    properties: { a: { $ref: "#/components/schemas/No" } },
  });
  expect(schema).toEqual({ properties: { a: {} } });
  expect(api.warnings).toMatchObject([{ code: "unresolved_ref", position: { line: 1 } }]);
});

test.each([
  ["/etc/hostname", "ref_outside_directory"],
  ["http://169.254.169.254/latest", "ref_host_not_allowed"],
  ["none.yaml", "unreadable_ref"],
])("a reference to %s accepts anything, says so and is never read", async (ref, code) => {
  const { schema, api } = await convertComponent({ properties: { a: { $ref: ref } } });
  expect(schema).toEqual({ properties: { a: {} } });
  expect(api.warnings).toMatchObject([{ code, severity: "warning", position: { line: 1 } }]);
});

test("S15: a schema deeper than 64 levels is cut, not refused", async () => {
  let deep: object = { type: "string" };
  for (let i = 0; i < 80; i++) deep = { items: deep };
  const { api } = await convertComponent(deep);
  expect(api.warnings).toMatchObject([{ code: "schema_too_large" }]);
});

test("S15: a wide schema is cut at 20,000 subschemas", async () => {
  const properties = Object.fromEntries(Array.from({ length: 21_000 }, (_, i) => [`p${i}`, {}]));
  const { api } = await convertComponent({ properties });
  expect(api.warnings.length).toBeGreaterThan(0);
  expect(api.warnings.length).toBeLessThan(10);
});

test("S63: hidden characters leave titles, descriptions and examples", async () => {
  const { schema } = await convertComponent({
    title: "a\u200Bb\u3164\uFE0F\u{E0041}",
    description: "x\u202Ey\u{E0041}z\r\nnext \u{1F469}\u200D\u{1F4BB} \u2764\uFE0F",
    examples: ["p\u2066q"],
  });
  expect(schema).toEqual({
    title: "ab",
    description: "xyz\nnext \u{1F469}\u200D\u{1F4BB} \u2764\uFE0F",
    examples: ["pq"],
  });
});

test.each([
  [
    "an allOf of objects is one object",
    {
      description: "outer",
      allOf: [
        {
          type: "object",
          description: "inner",
          required: ["a"],
          properties: { a: { type: "string" } },
        },
        { $ref: "#/components/schemas/B" },
      ],
    },
    {
      type: "object",
      description: "outer",
      required: ["a", "b"],
      properties: { a: { type: "string" }, b: { type: "integer" } },
      unevaluatedProperties: false,
    },
  ],
  ["a missing type is added", { properties: { a: {} } }, { type: "object", properties: { a: {} } }],
  [
    "a composition that is not plain stays",
    { allOf: [{ $ref: "#/components/schemas/B" }, { oneOf: [{ required: ["a"] }] }] },
    { allOf: [{ $ref: "#/$defs/B" }, { oneOf: [{ required: ["a"] }] }] },
  ],
  [
    "a reference to a plain object stays",
    { $ref: "#/components/schemas/B" },
    { $ref: "#/$defs/B" },
  ],
])("at the root of a body, %s", async (_, schema, becomes) => {
  const api = await loadText(
    document(
      `/a: {post: {requestBody: {content: {application/json: {schema: ${JSON.stringify(schema)}}}}}}`,
      "schemas: {B: {type: object, required: [b], properties: {b: {type: integer}}, additionalProperties: false}}",
    ),
  );
  expect(only(api).bodies[0]?.schema).toEqual(becomes);
});

function validator(api: ApiDocument, name: string): (value: unknown) => boolean {
  const $defs: Record<string, unknown> = {};
  const collect = (schema: unknown): void => {
    for (const [, ref = ""] of JSON.stringify(schema).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
      if (ref in $defs) continue;
      $defs[ref] = api.schemas.get(ref);
      collect($defs[ref]);
    }
  };
  const root = { $ref: `#/$defs/${name}` };
  collect(root);
  return new Ajv2020({ strict: false }).compile({ ...root, $defs });
}

test("operations whose parameters are written alike have the same schema, and each its own findings", async () => {
  const good = "{name: a, in: query, schema: {type: integer, minimum: 1}}";
  const bad = "{name: b, in: query, schema: {type: integer, minimum: none}}";
  const api = await loadText(
    document(
      `/x:\n  get: {parameters: [${good}, ${bad}]}\n/y:\n  get: {parameters: [${good}, ${bad}]}`,
    ),
  );
  const [x, y] = api.operations;
  expect(x?.parameters.map(({ schema }) => schema)).toEqual([
    { type: "integer", minimum: 1 },
    { type: "integer" },
  ]);
  expect(y?.parameters).toEqual(x?.parameters);
  expect([x, y].map((operation) => operation?.warnings)).toMatchObject([
    [{ code: "bad_keyword", position: { line: 5 } }],
    [{ code: "bad_keyword", position: { line: 7 } }],
  ]);
});

test("documents of two versions mean different schemas by the same words", async () => {
  const dir = await newDir();
  const parameter = "{name: a, in: query, schema: {type: string, nullable: true}}";
  const old = join(dir, "old.yaml");
  await writeFile(old, document(`/a:\n  get: {parameters: [${parameter}]}`, "", "3.0.3"));
  const file = join(dir, "api.yaml");
  await writeFile(
    file,
    document(`/a: {$ref: 'old.yaml#/paths/~1a'}\n/b:\n  get: {parameters: [${parameter}]}`),
  );
  const api = await loadDocument({ file, position: namedAt });
  expect(api.operations.map(({ parameters }) => parameters[0]?.schema)).toEqual([
    { type: ["string", "null"] },
    { type: "string" },
  ]);
});
