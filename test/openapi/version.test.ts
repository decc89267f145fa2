import { expect, test } from "vitest";

import { document, loadText, only } from "./load-text.ts";

test.each([
  ["openapi: 3.0.0", "3.0.0", 0],
  ["openapi: 3.0.99", "3.0.99", 0],
  ["openapi: 3.1", "3.1", 0],
  ["openapi: 3.2.0", "3.2.0", 0],
  ["openapi: 3.7.1", "3.7.1", 1],
  ["swagger: '2.0'", "2.0", 0],
  ["swagger: 2.0", "2.0", 0],
])("%s is read", async (line, version, warnings) => {
  const api = await loadText(`${line}\ninfo: {version: 1.0}\npaths: {/a: {get: {}}}`);
  expect(api.version).toBe(version);
  expect(api.operations).toHaveLength(1);
  expect(api.warnings).toHaveLength(warnings);
});

test("3.2: QUERY, additional operations, querystring and cookie style", async () => {
  const api = await loadText(
    document(
      `/a:
  query: {parameters: [{name: q, in: querystring, content: {application/json: {schema: {type: object}}}}]}
  additionalOperations:
    Purge: {parameters: [{name: c, in: cookie, style: cookie, schema: {}}]}`,
      "",
      "3.2.0",
    ),
  );
  expect(api.operations.map((operation) => operation.method)).toEqual(["QUERY", "Purge"]);
  expect(api.operations.flatMap((operation) => operation.parameters)).toMatchObject([
    { in: "querystring", encoding: { kind: "content", mediaType: "application/json" } },
    { in: "cookie", encoding: { style: "cookie", explode: true } },
  ]);
});

test("3.2: itemSchema makes a list, a media type may be a reference, defaultMapping asks for nothing", async () => {
  const api = await loadText(
    document(
      "/a: {post: {requestBody: {content: {application/jsonl: {$ref: '#/components/mediaTypes/L'}}}}}",
      `mediaTypes: {L: {itemSchema: {$ref: '#/components/schemas/P'}}}
schemas:
  P:
    oneOf: [{$ref: '#/components/schemas/B'}, {$ref: '#/components/schemas/C'}]
    discriminator: {propertyName: k, defaultMapping: C}
  B: {type: object}
  C: {type: object}`,
      "3.2.0",
    ),
  );
  expect(only(api).bodies[0]?.schema).toEqual({ type: "array", items: { $ref: "#/$defs/P" } });
  expect(api.schemas.get("P")).toEqual({
    oneOf: [
      { $ref: "#/$defs/B", properties: { k: { const: "B" } } },
      { $ref: "#/$defs/C", properties: { k: { not: { enum: ["B"] } } } },
    ],
  });
});

test("2.0 is read into the same model", async () => {
  const api = await loadText(
    `swagger: "2.0"
info: {title: T, version: "1"}
host: api.example.com
basePath: /v1
schemes: [http, https]
consumes: [application/json]
produces: [application/json]
parameters:
  Page: {name: page, in: query, type: integer, minimum: 0, exclusiveMinimum: true}
securityDefinitions: {b: {type: basic}, k: {type: apiKey, in: query, name: key}}
paths:
  /a/{id}:
    parameters: [{name: id, in: path, required: true, type: string}]
    put:
      security: [{k: []}]
      parameters:
        - $ref: '#/parameters/Page'
        - {name: key, in: query, type: string}
        - {name: t, in: query, type: array, items: {type: string}, collectionFormat: tsv}
        - {name: m, in: query, type: array, items: {type: string}, collectionFormat: multi}
        - {name: c, in: query, type: array, items: {type: string}}
        - {name: body, in: body, required: true, schema: {$ref: '#/definitions/A'}}
      responses: {200: {description: ok, schema: {type: object}}, 204: {description: none}}
  /f:
    post:
      consumes: [multipart/form-data]
      parameters:
        - {name: file, in: formData, required: true, type: file}
        - {name: tags, in: formData, type: array, items: {type: string}, collectionFormat: multi}
definitions:
  A: {type: object, properties: {n: {type: string, x-nullable: true}}}`,
  );
  const [put, post] = api.operations;
  expect(put).toMatchObject({
    servers: { scope: "document", list: [{ url: "https://api.example.com/v1" }] },
    bodyRequired: true,
    bodies: [{ mediaType: "application/json", schema: { $ref: "#/$defs/A" } }],
    responses: [
      { status: "200", mediaTypes: ["application/json"] },
      { status: "204", mediaTypes: [] },
    ],
  });
  expect(put?.parameters).toMatchObject([
    { name: "id", in: "path", schema: { type: "string" } },
    { name: "page", schema: { type: "integer", exclusiveMinimum: 0 } },
    { name: "t", encoding: { style: "tabDelimited", explode: false } },
    { name: "m", encoding: { style: "form", explode: true } },
    { name: "c", encoding: { style: "form", explode: false } },
  ]);
  expect(api.schemas.get("A")).toEqual({
    type: "object",
    properties: { n: { type: ["string", "null"] } },
  });
  expect(post).toMatchObject({
    bodies: [
      {
        mediaType: "multipart/form-data",
        schema: { required: ["file"], properties: { file: { required: ["data"] } } },
      },
    ],
  });
  expect(post?.bodies[0]?.fields.get("tags")).toMatchObject({
    style: { style: "form", explode: true },
  });
  expect(api.securitySchemes.get("b")).toEqual({ kind: "http", scheme: "basic" });
});
