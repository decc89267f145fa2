import { expect, test } from "vitest";

import { document, loadText, only } from "./load-text.ts";

const id = "{name: id, in: path, required: true, schema: {type: string}}";

test("parameters of the path item are overridden, path ones come first in template order", async () => {
  const api = await loadText(
    document(
      `/a/{x}/{y}:
  parameters:
    - {name: q, in: query, schema: {type: string}}
    - {name: X-Trace, in: header, schema: {type: string}}
    - {name: y, in: path, required: true, schema: {type: string}}
  get:
    operationId: g
    parameters:
      - {name: q, in: query, schema: {type: integer}}
      - {name: x-trace, in: header, required: true, schema: {type: integer}}
      - {name: x, in: path, schema: {type: string}}`,
    ),
  );
  expect(only(api).parameters).toMatchObject([
    { name: "x", in: "path", required: true },
    { name: "y", in: "path" },
    { name: "q", in: "query", schema: { type: "integer" } },
    { name: "x-trace", in: "header", required: true, schema: { type: "integer" } },
  ]);
});

test.each([
  ["path", "", { style: "simple", explode: false }],
  ["query", "", { style: "form", explode: true }],
  ["header", "", { style: "simple", explode: false }],
  ["cookie", "", { style: "form", explode: true }],
  ["path", ", style: matrix, explode: true", { style: "matrix", explode: true }],
  [
    "query",
    ", style: deepObject, allowReserved: true",
    { style: "deepObject", explode: false, allowReserved: true },
  ],
  ["query", ", style: pipeDelimited", { style: "pipeDelimited", explode: false }],
  ["query", ", explode: false", { style: "form", explode: false }],
  ["header", ", style: form", { style: "simple", explode: false }],
])("a parameter in %s%s is encoded as %j", async (where, more, encoding) => {
  const api = await loadText(
    document(
      `/a/{p}: {get: {parameters: [{name: p, in: ${where}, required: true, schema: {}${more}}]}}`,
    ),
  );
  const parameter = only(api).parameters.find((found) => found.in === where);
  expect(parameter?.encoding).toMatchObject({ kind: "style", ...encoding });
});

test("a content parameter is encoded by its media type", async () => {
  const api = await loadText(
    document(
      "/a: {get: {parameters: [{name: f, in: query, content: {Application/JSON; v=1: {schema: {type: object}}}}]}}",
    ),
  );
  expect(only(api).parameters).toMatchObject([
    { schema: { type: "object" }, encoding: { kind: "content", mediaType: "application/json" } },
  ]);
});

test("an undeclared path variable is a string, a declared one that is not there is left out", async () => {
  const api = await loadText(
    document("/a/{x}: {get: {parameters: [{name: X, in: path, required: true, schema: {}}]}}"),
  );
  const operation = only(api);
  expect(operation.parameters).toMatchObject([
    { name: "x", required: true, schema: { type: "string" } },
  ]);
  expect(operation.warnings).toMatchObject([
    { code: "parameter_not_in_path", position: { line: 4 } },
    { code: "undeclared_path_parameter" },
  ]);
});

test.each(["/a/{+id}", "/a/{id=users/*}"])("%s is expanded with its slashes", async (path) => {
  const operation = only(await loadText(document(`"${path}": {get: {parameters: [${id}]}}`)));
  expect(operation.path).toBe(path);
  expect(operation.parameters).toMatchObject([{ name: "id", encoding: { allowReserved: true } }]);
  expect(operation.warnings).toMatchObject([{ code: "reserved_expansion" }]);
});

test("a query in the path key is fixed", async () => {
  const operation = only(await loadText(document('"/x?Action=Y&v=1": {get: {}}')));
  expect([operation.path, operation.fixedQuery]).toEqual(["/x", "Action=Y&v=1"]);
});

test.each([
  ["a", "bad_path"],
  ["/a/../b", "bad_path"],
  ["/a/%2E%2e/b", "bad_path"],
  ["//host/b", "bad_path"],
  ["/a#b", "bad_path"],
  ["/a\\\\b", "bad_path"],
  ["/a/{b", "bad_path"],
  ["/a?x={y}", "bad_path"],
])("the path %s is skipped as %s, and the rest serves", async (path, code) => {
  const api = await loadText(
    document(`"${path}": {get: {tags: [t]}}\n/ok: {get: {operationId: ok}}`),
  );
  expect(only(api).id).toBe("ok");
  expect(api.skipped).toMatchObject([
    { method: "GET", tags: ["t"], issue: { code, severity: "warning", position: { line: 4 } } },
  ]);
});

test.each([
  "Accept",
  "content-type",
  "Authorization",
  "Cookie",
  "Host",
  "Content-Length",
  "Transfer-Encoding",
  "Connection",
  "Upgrade",
  "Forwarded",
  "X-Forwarded-For",
  "Proxy-Authorization",
  "TE",
  "Expect",
  "X-Original-URL",
  "X-HTTP-Method-Override",
  "bad name",
])("S23: the header %s is never an argument", async (name) => {
  const api = await loadText(
    document(
      `/a: {get: {parameters: [{name: "${name}", in: header, schema: {}}, {name: X-Ok, in: header, schema: {}}]}}`,
    ),
  );
  expect(only(api).parameters.map((parameter) => parameter.name)).toEqual(["X-Ok"]);
});

test("what an applied apiKey scheme names is the gateway's to send", async () => {
  const paths = `/a:
  get:
    security: [{key: []}]
    parameters: [{name: x-api-key, in: header, schema: {}}, {name: x-api-key, in: query, schema: {}}]
/b:
  get:
    security: []
    parameters: [{name: X-Api-Key, in: header, schema: {}}]`;
  const schemes = "securitySchemes: {key: {type: apiKey, in: header, name: X-API-Key}}";
  const { operations, securitySchemes } = await loadText(document(paths, schemes));
  expect(
    operations.map((operation) => operation.parameters.map((parameter) => parameter.in)),
  ).toEqual([["query"], ["header"]]);
  expect(operations.map((operation) => operation.security)).toEqual([[new Map([["key", []]])], []]);
  expect(securitySchemes.get("key")).toEqual({ kind: "apiKey", in: "header", name: "X-API-Key" });
});

test("bodies come in order of preference, ranges are JSON", async () => {
  const types = [
    "application/octet-stream",
    "text/plain",
    "multipart/form-data",
    "x/y+json",
    "*/*; q=1",
  ];
  types.push("application/x-www-form-urlencoded", "Application/JSON; charset=utf-8");
  const content = types.map((type) => `"${type}": {schema: {type: object}}`).join(", ");
  const operation = only(
    await loadText(document(`/a: {post: {requestBody: {required: true, content: {${content}}}}}`)),
  );
  expect(operation.bodyRequired).toBe(true);
  expect(operation.bodies.map(({ mediaType, contentType }) => [mediaType, contentType])).toEqual([
    ["application/json", "application/json"],
    ["application/json", "Application/JSON; charset=utf-8"],
    ["x/y+json", "x/y+json"],
    ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded"],
    ["multipart/form-data", "multipart/form-data"],
    ["text/plain", "text/plain"],
    ["application/octet-stream", "application/octet-stream"],
  ]);
  expect(operation.bodies.at(-2)?.schema).toEqual({ type: "string" });
  expect(operation.bodies.at(-1)?.schema).toMatchObject({ required: ["data"] });
});

test("JSON without a schema is anything; binary fields of a form are files; lines are a list", async () => {
  const { operations } = await loadText(
    document(`/a: {post: {requestBody: {content: {application/json: {}}}}}
/b: {post: {requestBody: {content: {multipart/form-data: {schema: {properties: {f: {type: string, format: binary}, n: {type: string}}}}}}}}
/c: {post: {requestBody: {content: {application/x-ndjson: {schema: {type: array, items: {type: integer}}}}}}}
/d: {post: {requestBody: {content: {application/xml: {schema: {type: object}}}}}}`),
  );
  const [a, b, c, d] = operations.map((operation) => operation.bodies[0]?.schema);
  expect(a).toEqual({});
  expect(b).toMatchObject({
    type: "object",
    properties: { f: { required: ["data"] }, n: { type: "string" } },
  });
  expect(c).toEqual({ type: "array", items: { type: "integer" } });
  expect(d).toMatchObject({ type: "string" });
});

test("a body on GET that cannot be sent keeps no operation from being served", async () => {
  const operation = only(
    await loadText(
      document("/a: {get: {requestBody: {required: true, content: {text/event-stream: {}}}}}"),
    ),
  );
  expect(operation).toMatchObject({
    bodies: [],
    bodyRequired: false,
    warnings: [{ code: "unsupported_media_type" }],
  });
});

test.each([
  [
    "post: {requestBody: {required: true, content: {multipart/mixed: {}}}}",
    "unsupported_media_type",
  ],
  ["trace: {}", "method_not_served"],
  ["get: 7", "bad_operation"],
  ["get: {parameters: [{$ref: '#/components/parameters/No'}]}", "unresolved_ref"],
  ["post: {requestBody: {$ref: '#/components/requestBodies/No'}}", "unresolved_ref"],
  ["get: {parameters: [{$ref: other.yaml}]}", "unreadable_ref"],
  ["get: {parameters: [{$ref: /etc/hostname}]}", "ref_outside_directory"],
  ["post: {requestBody: {$ref: 'http://127.0.0.1:1/x'}}", "ref_host_not_allowed"],
  ["get: {parameters: [{$ref: 'urn:x'}]}", "external_ref"],
  [
    "get: {parameters: [{name: q, in: query, schema: {$ref: '#/components/schemas/Far'}}]}",
    "unknown_dialect",
  ],
  ["get: {parameters: [{$ref: '#/components/parameters/Loop'}]}", "circular_ref"],
  ["get: {parameters: [{in: query, schema: {}}]}", "bad_parameter"],
  ["get: {parameters: [{name: q, in: body, schema: {}}]}", "bad_parameter"],
  ["get: {parameters: [{name: 'a b', in: header, required: true, schema: {}}]}", "bad_parameter"],
  ["get: {parameters: [{name: q, in: query, schema: {$schema: 'urn:odd'}}]}", "unknown_dialect"],
])("%s is skipped as %s, and the rest serves", async (item, code) => {
  const api = await loadText(
    document(
      `/a: {${item}}\n/ok: {get: {operationId: ok}}`,
      `parameters: {Loop: {$ref: '#/components/parameters/Loop'}}
schemas: {Far: {properties: {x: {$ref: '#/components/schemas/Farther'}}}, Farther: {$schema: 'urn:odd'}}`,
    ),
  );
  expect(only(api).id).toBe("ok");
  expect(api.skipped).toMatchObject([{ path: "/a", issue: { code, severity: "warning" } }]);
  expect(api.skipped[0]?.issue.position?.line).toBeGreaterThanOrEqual(4);
});

test("references to parameters, bodies, responses and path items are followed", async () => {
  const operation = only(
    await loadText(
      document(
        `/a:
  $ref: '#/components/pathItems/A'
  summary: mine`,
        `pathItems:
  A:
    summary: theirs
    parameters: [{$ref: '#/components/parameters/Q'}]
    post:
      requestBody: {$ref: '#/components/requestBodies/B'}
      responses: {4xx: {$ref: '#/components/responses/R'}, default: {description: d}, x-a: 1, 99: {}}
parameters: {Q: {$ref: '#/components/parameters/Q2'}, Q2: {name: q, in: query, schema: {}}}
requestBodies: {B: {description: b, content: {application/json: {}}}}
responses: {R: {description: r, content: {Application/JSON; a=b: {}}}}`,
      ),
    ),
  );
  expect(operation.summary).toBe("mine");
  expect(operation.parameters).toMatchObject([{ name: "q" }]);
  expect(operation.bodies).toMatchObject([{ description: "b" }]);
  expect(operation.responses).toEqual([
    { status: "4XX", mediaTypes: ["application/json"], description: "r" },
    { status: "default", mediaTypes: [], description: "d" },
  ]);
});

test("an external path item is listed as skipped, its local members serve", async () => {
  const api = await loadText(document("/a: {$ref: 'items.yaml#/a', get: {operationId: g}}"));
  expect(only(api).id).toBe("g");
  expect(api.skipped).toMatchObject([
    { method: "*", path: "/a", issue: { code: "unreadable_ref" } },
  ]);
});

test("the nearest servers count, with their variables", async () => {
  const text = `${document(`/a: {servers: [{url: 'https://a'}], get: {servers: []}}
/b: {get: {}}`)}
servers:
  - {url: 'https://{host}/v{n}', description: d, variables: {host: {default: h}, n: {enum: ['2']}}}
  - {url: 'https://{gone}/'}`;
  const api = await loadText(text);
  const [own, other] = api.operations.map((operation) => operation.servers);
  expect(own).toMatchObject({ scope: "operation", list: [{ url: "https://a" }] });
  expect(other).toMatchObject({ scope: "document", list: [{ description: "d" }, {}] });
  expect(other?.list[0]?.variables).toEqual(
    new Map([
      ["host", { default: "h", allowed: [] }],
      ["n", { default: "2", allowed: ["2"] }],
    ]),
  );
  expect(api.warnings).toMatchObject([{ code: "server_variable_without_default" }]);
});

test.each([
  [
    "api.yaml",
    "openapi: 3.1.0\ninfo: {title: T}\npaths:\n  /a:\n    get:\n      deprecated: true\n",
    { line: 5, column: 5 },
  ],
  [
    "api.json",
    '{"openapi": "3.1.0",\n "paths": {"/a\\n": 1, "/\\u0061": {\n  "summary": "}\\"{", "get": {"deprecated": true}}}}',
    { line: 3, column: 22 },
  ],
])("an operation in %s knows its place", async (name, text, position) => {
  const operation = only(await loadText(text, name));
  expect(operation).toMatchObject({ path: "/a", deprecated: true, position });
});

test("a repeated operationId is a warning", async () => {
  const api = await loadText(document("/a: {get: {operationId: x}, put: {operationId: x}}"));
  expect(api.operations).toHaveLength(2);
  expect(api.warnings).toMatchObject([{ code: "repeated_operation_id" }]);
});

test("a parameter described by its schema, with an example of its own", async () => {
  const operation = only(
    await loadText(
      document(
        '/a: {get: {summary: "s\\u200b", parameters: [{name: q, in: query, example: e, schema: {type: string, description: d}}]}}',
      ),
    ),
  );
  expect(operation.summary).toBe("s");
  expect(operation.parameters).toMatchObject([{ description: "d", schema: { examples: ["e"] } }]);
});

test("a document may have no paths", async () => {
  const api = await loadText(
    "openapi: 3.1.0\ninfo: {title: T, version: '1'}\nwebhooks: {a: {post: {}}}",
  );
  expect(api).toMatchObject({ title: "T", operations: [], skipped: [], warnings: [] });
});
