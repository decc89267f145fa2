import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { expect, test } from "vitest";

import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument } from "../../src/openapi/operation/operation.ts";
import { compileTools, jsonBody } from "../tools/compile.ts";
import { convertComponent, named, newDir } from "./load-text.ts";

/** `api.yaml` of one version with these parts, and other files beside it. */
async function load(
  version: string,
  parts: string,
  files: Readonly<Record<string, string>> = {},
): Promise<ApiDocument> {
  const dir = await newDir();
  const head = version === "2.0" ? 'swagger: "2.0"' : `openapi: ${version}`;
  const all = { "api.yaml": `${head}\ninfo: {title: T, version: 1.0}\n${parts}`, ...files };
  for (const [name, text] of Object.entries(all)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return loadDocument({ file: join(dir, "api.yaml"), position: named });
}

function methods({ operations }: ApiDocument): string[] {
  return operations.map(({ method, path }) => `${method} ${path}`);
}

function codes({ warnings, operations, skipped }: ApiDocument): string[] {
  const own = operations.flatMap((operation) => operation.warnings);
  return [...warnings, ...own, ...skipped.map(({ issue }) => issue)].map(({ code }) => code);
}

interface FeatureRow {
  readonly row: string;
  readonly version: string;
  readonly parts: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly sees: (api: ApiDocument) => unknown;
  readonly expected: unknown;
}

/** Document features by version: one row per feature and version that has it. */
const features: readonly FeatureRow[] = [
  ...["2.0", "3.0.9", "3.1.4", "3.2.1"].map((version) => ({
    row: "version key",
    version,
    parts: "paths: {}",
    sees: (api: ApiDocument) => [api.version, codes(api)],
    expected: [version, []],
  })),
  {
    row: "version key: an unknown minor is the newest known, with a warning",
    version: "3.9.0",
    parts: "paths: {/a: {query: {}}}",
    sees: (api) => [methods(api), codes(api)],
    expected: [["QUERY /a"], ["unknown_version"]],
  },
  {
    row: "base URL: schemes, host and basePath",
    version: "2.0",
    parts: "host: h.test:8080\nbasePath: /v1\nschemes: [http]\npaths: {}",
    sees: ({ servers }) => servers.list.map(({ url }) => url),
    expected: ["http://h.test:8080/v1"],
  },
  {
    row: "base URL: servers with variables",
    version: "3.0.3",
    parts: "servers: [{url: 'https://{h}/', variables: {h: {default: d}}}]\npaths: {}",
    sees: ({ servers }) => servers.list.map(({ variables }) => variables.get("h")?.default),
    expected: ["d"],
  },
  {
    row: "base URL: the name of a server, in another file too",
    version: "3.2.0",
    parts:
      "servers: [{url: /main, name: live}]\npaths: {/a: {$ref: 'items/a.yaml'}, /b: {get: {}}}",
    files: { "items/a.yaml": "get: {servers: [{url: 'https://own.test', name: own}]}" },
    sees: ({ operations }) =>
      operations.map(({ servers }) => [servers.scope, servers.list[0]?.name]),
    expected: [
      ["operation", "own"],
      ["document", "live"],
    ],
  },
  {
    row: "base URL: $self is what servers are relative to",
    version: "3.2.0",
    parts: "$self: https://s.test/specs/api.yaml\nservers: [{url: ../v1}]\npaths: {}",
    sees: ({ servers }) => servers.list.map(({ base }) => base),
    expected: ["https://s.test/specs/api.yaml"],
  },
  {
    row: "methods: seven, upper case",
    version: "2.0",
    parts:
      "paths: {/a: {get: {}, put: {}, post: {}, delete: {}, options: {}, head: {}, patch: {}, trace: {}, query: {}}}",
    sees: methods,
    expected: ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH"].map((m) => `${m} /a`),
  },
  ...["3.0.3", "3.1.0"].map((version) => ({
    row: "methods: trace is skipped, query and additionalOperations mean nothing yet",
    version,
    parts: "paths: {/a: {trace: {}, query: {}, additionalOperations: {X: {}}}}",
    sees: (api: ApiDocument) => [methods(api), codes(api)],
    expected: [[], ["method_not_served"]],
  })),
  {
    row: "methods: query, and additionalOperations in the case they are written in",
    version: "3.2.0",
    parts: "paths: {/a: {query: {}, additionalOperations: {Purge: {}, LINK: {}}}}",
    sees: methods,
    expected: ["QUERY /a", "Purge /a", "LINK /a"],
  },
  {
    row: "methods: additionalOperations through the reference of a path item",
    version: "3.2.0",
    parts:
      "paths: {/a: {$ref: '#/components/pathItems/A'}, /b: {$ref: b.yaml}}\ncomponents: {pathItems: {A: {additionalOperations: {PURGE: {operationId: p}}}}}",
    files: { "b.yaml": "additionalOperations: {COPY: {operationId: c}}" },
    sees: (api) => [methods(api), api.operations.map(({ id }) => id)],
    expected: [
      ["PURGE /a", "COPY /b"],
      ["p", "c"],
    ],
  },
  {
    row: "body: in body",
    version: "2.0",
    parts:
      "consumes: [application/json]\npaths: {/a: {post: {parameters: [{name: b, in: body, required: true, schema: {type: array}}]}}}",
    sees: bodies,
    expected: [[true, "application/json", "array"]],
  },
  {
    row: "body: formData",
    version: "2.0",
    parts:
      "paths: {/a: {post: {consumes: [multipart/form-data], parameters: [{name: f, in: formData, type: file}]}}}",
    sees: bodies,
    expected: [[false, "multipart/form-data", "object"]],
  },
  ...["3.0.3", "3.1.0"].map((version) => ({
    row: "body: requestBody",
    version,
    parts:
      "paths: {/a: {post: {requestBody: {required: true, content: {text/csv: {schema: {type: object}}}}}}}",
    sees: bodies,
    expected: [[true, "text/csv", "string"]],
  })),
  {
    row: "body: itemSchema",
    version: "3.2.0",
    parts:
      "paths: {/a: {post: {requestBody: {content: {application/jsonl: {itemSchema: {type: integer}}}}}}}",
    sees: ({ operations }) => operations[0]?.bodies[0]?.schema,
    expected: { type: "array", items: { type: "integer" } },
  },
  {
    row: "body: prefixEncoding and itemEncoding",
    version: "3.2.0",
    parts:
      "paths: {/a: {post: {requestBody: {content: {multipart/mixed: {schema: {type: array}, prefixEncoding: [{contentType: application/json}], itemEncoding: {contentType: image/png}}}}}}}",
    sees: ({ operations }) => operations[0]?.bodies[0]?.positions,
    expected: {
      prefix: [{ contentType: "application/json", headers: [], isFile: false }],
      rest: { contentType: "image/png", headers: [], isFile: true },
    },
  },
  {
    row: "webhooks and callbacks: counted, no tools; paths are optional",
    version: "3.1.0",
    parts: "webhooks: {a: {post: {}}, b: {post: {}}}",
    sees: (api) => [methods(api), api.ignored, codes(api)],
    expected: [[], { webhooks: 2, callbacks: 0 }, []],
  },
  {
    row: "webhooks and callbacks: callbacks of an operation",
    version: "3.0.3",
    parts: "paths: {/a: {post: {callbacks: {done: {'{$request.body#/url}': {post: {}}}}}}}",
    sees: (api) => [methods(api), api.ignored],
    expected: [["POST /a"], { webhooks: 0, callbacks: 1 }],
  },
  ...["3.0.3", "3.1.0", "3.2.0"].map((version) => ({
    row: "links: not tools, never followed",
    version,
    parts:
      "paths: {/a: {get: {responses: {'200': {description: d, links: {next: {operationRef: 'https://169.254.169.254/x'}}}}}}}",
    sees: (api: ApiDocument) => [methods(api), codes(api)],
    expected: [["GET /a"], []],
  })),
  {
    row: "components.pathItems: with members beside the reference, which count first",
    version: "3.1.0",
    parts:
      "paths: {/a: {$ref: '#/components/pathItems/A', get: {operationId: mine}}}\ncomponents: {pathItems: {A: {get: {operationId: theirs}, put: {operationId: put}}}}",
    sees: (api) => [api.operations.map(({ id }) => id), codes(api)],
    expected: [["mine", "put"], ["path_item_merged"]],
  },
  {
    row: "components.mediaTypes: a reference, in another file too",
    version: "3.2.0",
    parts:
      "paths: {/a: {post: {requestBody: {content: {application/json: {$ref: 'm.yaml#/components/mediaTypes/M'}}}}}}",
    files: {
      "m.yaml":
        "openapi: 3.2.0\ncomponents: {mediaTypes: {M: {schema: {type: integer}}, N: {schema: {}}}}",
    },
    sees: bodies,
    expected: [[false, "application/json", "integer"]],
  },
  {
    row: "tags parent and kind, response.summary",
    version: "3.2.0",
    parts:
      "tags: [{name: t, parent: p, kind: nav}]\npaths: {/a: {get: {tags: [t], responses: {'200': {summary: Short}}}}}",
    sees: ({ operations }) => operations.map(({ tags, responses }) => [tags, responses]),
    expected: [[["t"], [{ status: "200", mediaTypes: [], description: "Short" }]]],
  },
  ...[
    ["https://spec.openapis.org/oas/3.1/dialect/base", []],
    ["http://json-schema.org/draft-04/schema#", []],
    ["https://example.com/mine", ["unknown_dialect"]],
  ].map(([uri, expected]) => ({
    row: `jsonSchemaDialect ${String(uri)}`,
    version: "3.1.0",
    parts: `jsonSchemaDialect: '${String(uri)}'\npaths: {/a: {get: {parameters: [{name: q, in: query, schema: {type: string}}]}}}`,
    sees: codes,
    expected,
  })),
  {
    row: "$schema: draft-04 is converted, the unknown skips its operation alone",
    version: "3.1.0",
    parts: `paths:
  /a: {get: {parameters: [{name: q, in: query, schema: {$schema: 'http://json-schema.org/draft-04/schema#', id: x, minimum: 1, exclusiveMinimum: true}}]}}
  /b: {get: {parameters: [{name: q, in: query, schema: {$schema: 'https://example.com/mine'}}]}}`,
    sees: (api) => [api.operations[0]?.parameters[0]?.schema, codes(api)],
    expected: [{ exclusiveMinimum: 1 }, ["unknown_dialect"]],
  },
  ...["2.0", "3.0.3", "3.1.0", "3.2.0"].map((version) => ({
    row: "response keys: ranges in either case, default",
    version,
    parts:
      "paths: {/a: {get: {responses: {2XX: {description: a}, 4xx: {description: b}, Default: {description: c}, 204: {description: d}, 42: {description: e}}}}}",
    sees: (api: ApiDocument) => [
      api.operations[0]?.responses.map(({ status }) => status).toSorted(),
      codes(api),
    ],
    expected: [["204", "2XX", "4XX", "default"], ["bad_response"]],
  })),
];

function bodies({ operations }: ApiDocument): unknown {
  return operations.map(({ bodies: [body], bodyRequired }) => [
    bodyRequired,
    body?.contentType,
    body?.schema["type"],
  ]);
}

test.each(features)("$row ($version)", async ({ version, parts, files, sees, expected }) => {
  expect(sees(await load(version, parts, files))).toEqual(expected);
});

interface SchemaRow {
  readonly row: string;
  readonly source: object | boolean;
  readonly target: unknown;
  /** The default is 3.1. */
  readonly version?: string;
  readonly others?: object;
  readonly warns?: readonly string[];
}

const text = { type: "string" };

/** Schemas of any version as JSON Schema 2020-12: one row per rule, and per form of it. */
const schemas: readonly SchemaRow[] = [
  {
    row: "nullable with a type",
    version: "3.0.3",
    source: { type: "integer", nullable: true },
    target: { type: ["integer", "null"] },
  },
  {
    row: "nullable enum gains null, once",
    version: "3.0.3",
    source: { type: "string", nullable: true, enum: ["a", null] },
    target: { type: ["string", "null"], enum: ["a", null] },
  },
  {
    row: "an enum with null that is not nullable keeps its words",
    version: "3.0.3",
    source: { type: "string", enum: ["a", null] },
    target: { type: "string", enum: ["a", null] },
  },
  {
    row: "nullable by allOf around a reference",
    version: "3.0.3",
    source: { nullable: true, allOf: [{ $ref: "#/components/schemas/T" }] },
    others: { T: text },
    target: { anyOf: [{ $ref: "#/$defs/T" }, { type: "null" }] },
  },
  { row: "nullable without a type", version: "3.0.3", source: { nullable: true }, target: {} },
  {
    row: "type arrays stay",
    source: { type: ["string", "null", "string"] },
    target: { type: ["string", "null"] },
  },
  { row: "a type array of one", source: { type: ["string"] }, target: text },
  {
    row: "boolean exclusive bounds",
    version: "3.0.3",
    source: { minimum: 1, exclusiveMinimum: true, maximum: 2, exclusiveMaximum: false },
    target: { exclusiveMinimum: 1, maximum: 2 },
  },
  {
    row: "example and examples",
    source: { example: 1, examples: [2, 3, 1] },
    target: { examples: [1, 2] },
  },
  {
    row: "items as a list",
    source: { type: "array", items: [text, true], additionalItems: { type: "integer" } },
    target: { type: "array", prefixItems: [text, {}], items: { type: "integer" } },
  },
  {
    row: "items as a list, and nothing said of the rest",
    source: { type: "array", items: [text] },
    target: { type: "array", prefixItems: [text] },
  },
  {
    row: "definitions and id",
    source: { id: "x", definitions: { D: { exclusiveMinimum: true, minimum: 0 } } },
    target: { $defs: { D: { exclusiveMinimum: 0 } } },
  },
  {
    row: "dependencies",
    source: { dependencies: { a: ["b", "b"], c: { required: ["d"] }, e: true } },
    target: {
      dependentRequired: { a: ["b"] },
      dependentSchemas: { c: { required: ["d"] }, e: {} },
    },
  },
  {
    row: "dependencies on what is no name",
    source: { dependencies: { a: [1], d: ["e"] }, dependentRequired: { b: ["c", "c"] } },
    target: { dependentRequired: { b: ["c"], d: ["e"] } },
    warns: ["bad_keyword"],
  },
  {
    row: "discriminator: values by mapping, else by name",
    source: {
      discriminator: { propertyName: "k", mapping: { cat: "#/components/schemas/Cat" } },
      oneOf: [{ $ref: "#/components/schemas/Cat" }, { $ref: "#/components/schemas/Dog" }],
    },
    others: { Cat: {}, Dog: {} },
    target: {
      oneOf: [
        { $ref: "#/$defs/Cat", properties: { k: { const: "cat" } }, required: ["k"] },
        { $ref: "#/$defs/Dog", properties: { k: { const: "Dog" } }, required: ["k"] },
      ],
    },
  },
  {
    row: "xml, externalDocs and x-*",
    source: { type: "string", xml: {}, externalDocs: {}, "x-a": 1, "x-mcp-header": "H" },
    target: text,
  },
  {
    row: "readOnly, at every level",
    source: {
      type: "object",
      required: ["id", "in"],
      properties: {
        id: { readOnly: true },
        in: {
          type: "object",
          required: ["at"],
          properties: { at: { $ref: "#/components/schemas/At" }, x: text },
        },
        list: { type: "array", items: { properties: { r: { readOnly: true } } } },
      },
    },
    others: { At: { type: "string", readOnly: true } },
    target: {
      type: "object",
      required: ["in"],
      properties: {
        in: { type: "object", properties: { x: text } },
        list: { type: "array", items: { properties: {} } },
      },
    },
  },
  {
    row: "writeOnly stays in the input",
    source: { properties: { w: { type: "string", writeOnly: true } } },
    target: { properties: { w: { type: "string", writeOnly: true } } },
  },
  {
    row: "readOnly and writeOnly",
    source: { required: ["b"], properties: { b: { readOnly: true, writeOnly: true } } },
    target: { required: ["b"], properties: { b: { writeOnly: true } } },
    warns: ["read_and_write_only"],
  },
  {
    row: "default is a word",
    source: { type: "string", default: "d" },
    target: { type: "string", default: "d" },
  },
  {
    row: "enum, each value once",
    source: { enum: [1, "1", 1, null, null] },
    target: { enum: [1, "1", null] },
  },
  {
    row: "enum of texts with what YAML made of no and 1",
    source: { type: "string", enum: [false, 1, "yes"] },
    target: { type: "string", enum: ["false", "1", "yes"] },
    warns: ["enum_not_text"],
  },
  {
    row: "more than 50 values of an enum",
    source: { enum: Array.from({ length: 60 }, (_, i) => i) },
    target: { enum: Array.from({ length: 60 }, (_, i) => i) },
  },
  {
    row: "const, dependentSchemas, unevaluatedProperties",
    source: { const: 1, dependentSchemas: { a: text }, unevaluatedProperties: false },
    target: { const: 1, dependentSchemas: { a: text }, unevaluatedProperties: false },
  },
  {
    row: "if, then, else",
    source: JSON.parse(
      '{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {}}',
    ) as object,
    target: JSON.parse('{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {}}'),
  },
  {
    row: "$anchor: a reference to it leads to $defs",
    source: { items: { $ref: "#here" } },
    others: { A: { $anchor: "here", type: "string" } },
    target: { items: { $ref: "#/$defs/A" } },
  },
  {
    row: "$id: a reference to it leads to $defs",
    source: { items: { $ref: "https://e.test/a" } },
    others: { A: { $id: "https://e.test/a", type: "string" } },
    target: { items: { $ref: "#/$defs/A" } },
  },
  {
    row: "$dynamicRef",
    source: { items: { $dynamicRef: "#node" } },
    others: { A: { $dynamicAnchor: "node" } },
    target: { items: { $ref: "#/$defs/A" } },
    warns: ["dynamic_ref"],
  },
  {
    row: "pattern that compiles",
    source: { type: "string", pattern: "^(?=a)\\p{L}$" },
    target: { type: "string", pattern: "^(?=a)\\p{L}$" },
  },
  {
    row: "pattern of another language",
    source: { type: "string", pattern: "\\A(?i)a\\z" },
    target: { type: "string", description: "Pattern: \\A(?i)a\\z" },
    warns: ["bad_pattern"],
  },
  {
    row: "format is a word, known or not",
    source: { properties: { a: { format: "uuid" }, b: { format: "odd" } } },
    target: { properties: { a: { format: "uuid" }, b: { format: "odd" } } },
  },
  {
    row: "int64 and decimal",
    source: {
      properties: {
        a: { type: "integer", format: "int64" },
        b: { type: "number", format: "decimal" },
      },
    },
    target: {
      properties: {
        a: { type: "integer", format: "int64" },
        b: { type: "number", format: "decimal" },
      },
    },
  },
  ...[true, { type: "string" }].map((additionalProperties) => ({
    row: `additionalProperties ${JSON.stringify(additionalProperties)}`,
    source: { additionalProperties },
    target: { additionalProperties },
  })),
  {
    row: "additionalProperties: false beside an allOf",
    source: {
      properties: { a: text },
      additionalProperties: false,
      allOf: [{ properties: { b: text } }],
    },
    target: { type: "object", properties: { a: text, b: text }, unevaluatedProperties: false },
  },
  {
    row: "allOf stays below the root",
    source: { properties: { a: { allOf: [{ required: ["x"] }, { maxProperties: 2 }] } } },
    target: { properties: { a: { allOf: [{ required: ["x"] }, { maxProperties: 2 }] } } },
  },
  {
    row: "oneOf as published",
    source: { oneOf: [text, { maxLength: 1 }] },
    target: { oneOf: [text, { maxLength: 1 }] },
  },
  {
    row: "boolean schemas",
    source: { properties: { any: true, never: false }, anyOf: [true, false] },
    target: { properties: { any: {} }, anyOf: [{}, { not: {} }] },
  },
  {
    row: "siblings of $ref",
    version: "3.0.3",
    source: { $ref: "#/components/schemas/T", title: "t", description: "d", maxLength: 1 },
    others: { T: text },
    target: { $ref: "#/$defs/T", title: "t", description: "d" },
  },
  {
    row: "siblings of $ref",
    source: { $ref: "#/components/schemas/T", title: "t", maxLength: 1 },
    others: { T: text },
    target: { $ref: "#/$defs/T", title: "t", maxLength: 1 },
  },
  {
    row: "an array without items",
    source: { type: ["array", "null"] },
    target: { type: ["array", "null"], items: {} },
  },
  {
    row: "recursion",
    source: { items: { $ref: "#/components/schemas/S" } },
    target: { items: { $ref: "#/$defs/S" } },
  },
  {
    row: "a circle of references alone",
    source: { $ref: "#/components/schemas/B" },
    others: { B: { $ref: "#/components/schemas/S" } },
    target: {},
    warns: ["circular_ref"],
  },
  {
    row: "names of components",
    source: { items: { $ref: "#/components/schemas/a~1b%20ü" } },
    others: { "a/b ü": text },
    target: { items: { $ref: "#/$defs/a_b__" } },
  },
  {
    row: "a reference to nothing",
    source: { items: { $ref: "#/components/schemas/No" } },
    target: { items: {} },
    warns: ["unresolved_ref"],
  },
];

test.each(schemas)("$row (schema)", async ({ source, target, version, others, warns = [] }) => {
  const setting = { ...(version === undefined ? {} : { version }), others: others ?? {} };
  const { schema, api } = await convertComponent(source, setting);
  expect(schema).toEqual(target);
  expect(api.warnings.map(({ code }) => code)).toEqual(warns);
});

test("x-nullable and draft-04 bounds of 2.0, on parameters and definitions", async () => {
  const api = await load(
    "2.0",
    `paths:
  /a:
    get:
      parameters:
        - {name: n, in: query, type: string, x-nullable: true, enum: [a]}
        - {name: m, in: query, type: number, maximum: 9, exclusiveMaximum: true}
definitions: {D: {type: string, x-nullable: true}, F: {type: file}}`,
  );
  expect(api.operations[0]?.parameters.map(({ schema }) => schema)).toEqual([
    { type: ["string", "null"], enum: ["a", null] },
    { type: "number", exclusiveMaximum: 9 },
  ]);
  expect(api.schemas.get("D")).toEqual({ type: ["string", "null"] });
  expect(api.schemas.get("F")).toEqual({ type: "string", format: "binary" });
});

test("writeOnly is left out of answers, readOnly of requests", async () => {
  const api = await load(
    "3.1.0",
    `paths:
  /a:
    post:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/P'}}}}
      responses: {'200': {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/P'}}}}}
components:
  schemas:
    P: {type: object, required: [id, secret], properties: {id: {readOnly: true}, secret: {writeOnly: true}}}`,
  );
  expect(api.schemas.get("P")).toEqual({
    type: "object",
    required: ["secret"],
    properties: { secret: { writeOnly: true } },
  });
  const answer = api.operations[0]?.answer();
  expect(answer?.schemas.get("P")).toMatchObject({ required: ["id"] });
  expect(Object.keys(answer?.schemas.get("P")?.["properties"] ?? {})).toEqual(["id"]);
});

test.each([true, false])("keepReadOnly %s: in the bodies of PUT alone", async (keepReadOnly) => {
  const { tool } = await compileTools({
    apis: {
      a: {
        paths: {
          "/a": Object.fromEntries(
            ["put", "post"].map((method) => [
              method,
              { operationId: method, ...jsonBody({ $ref: "#/components/schemas/P" }) },
            ]),
          ),
        },
        components: {
          schemas: {
            P: {
              type: "object",
              required: ["id"],
              properties: { id: { type: "string", readOnly: true } },
            },
          },
        },
      },
    },
    api: `keepReadOnly: ${keepReadOnly}`,
  });
  const isAsked = (name: string): boolean =>
    tool(name).validate({ body: {} }).length > 0 &&
    tool(name).validate({ body: { id: "x" } }).length === 0;
  expect([isAsked("put"), isAsked("post")]).toEqual([keepReadOnly, false]);
  expect(JSON.stringify(tool("put").inputSchema).includes('"id"')).toBe(keepReadOnly);
  expect(JSON.stringify(tool("post").inputSchema)).not.toContain('"id"');
});
