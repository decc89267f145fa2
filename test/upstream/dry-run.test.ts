import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/json.ts";
import { world } from "../world/world.ts";
import { dryRunAndCall } from "./dry-run.ts";

const text = { type: "string" };
const items = { type: "array", items: text };
const file = { data: Buffer.from([0, 255, 13, 10]).toString("base64"), filename: "a.bin" };

const modernParameters = [
  { name: "id", in: "path", required: true, schema: text },
  { name: "q", in: "query", schema: items },
  { name: "deep", in: "query", style: "deepObject", schema: { type: "object" } },
  { name: "X-H", in: "header", schema: items },
  { name: "c", in: "cookie", schema: items },
];
const parameterArgs = {
  id: "a/b é",
  q: ["x,y", "&"],
  deep: { a: "=" },
  "X-H": ["é", ","],
  c: ["1", ";"],
};
const parameters20 = [
  { name: "id", in: "path", required: true, type: "string" },
  { name: "q", in: "query", type: "array", items: text, collectionFormat: "tsv" },
  { name: "X-H", in: "header", type: "array", items: text, collectionFormat: "pipes" },
];

const bodies: Readonly<Record<string, { readonly schema: object; readonly body: unknown }>> = {
  "application/json": { schema: { type: "object" }, body: { a: null, b: "é" } },
  "application/x-www-form-urlencoded": { schema: { type: "object" }, body: { a: ["x y", "~"] } },
  "multipart/form-data": {
    schema: { type: "object", properties: { f: { type: "string", format: "binary" } } },
    body: { f: file, t: "é", o: { a: 1 } },
  },
  "application/octet-stream": { schema: {}, body: file },
  "text/plain": { schema: text, body: "é\r\n" },
  "application/x-ndjson": { schema: { type: "array" }, body: [1, { a: 2 }] },
};

/** Every operation of one document with arguments for it. */
function modern(openapi: string): {
  readonly spec: object;
  readonly calls: [string, JsonObject][];
} {
  const contents = Object.entries(bodies);
  const posts = contents.map(([type, { schema }], i) => [
    `/body/${i}`,
    { post: { operationId: `body${i}`, requestBody: { content: { [type]: { schema } } } } },
  ]);
  const paths = {
    "/x/{id}?fixed=1": { get: { operationId: "parameters", parameters: modernParameters } },
    "/none": { delete: { operationId: "nothing" }, post: { operationId: "bodiless" } },
    ...Object.fromEntries(posts),
    ...(openapi === "3.2.0"
      ? {
          "/q": {
            query: { operationId: "asked", requestBody: { content: { "application/json": {} } } },
          },
        }
      : {}),
  };
  const calls: [string, JsonObject][] = [
    ["parameters", parameterArgs],
    ["parameters", { id: "1" }],
    ["nothing", {}],
    ["bodiless", {}],
    ...contents.map(([, { body }], i): [string, JsonObject] => [
      `body${i}`,
      { body } as JsonObject,
    ]),
    ["body0", {}],
    ...(openapi === "3.2.0" ? [["asked", { body: [1] }] as [string, JsonObject]] : []),
  ];
  return { spec: { openapi, paths }, calls };
}

function swagger(): ReturnType<typeof modern> {
  const field = { name: "t", in: "formData", type: "array", items: text };
  const paths = {
    "/x/{id}": { get: { operationId: "parameters", parameters: parameters20 } },
    "/body": { put: { operationId: "whole", parameters: [{ name: "b", in: "body", schema: {} }] } },
    "/form": { post: { operationId: "form", parameters: [field] } },
    "/file": {
      post: {
        operationId: "upload",
        parameters: [field, { name: "f", in: "formData", type: "file" }],
      },
    },
  };
  const calls: [string, JsonObject][] = [
    ["parameters", { id: "é", q: ["a", "b c"], "X-H": ["a", "b"] }],
    ["whole", { body: [null] }],
    ["form", { body: { t: ["a,b", "c"] } }],
    ["upload", { body: { t: ["a", "c"], f: file } }],
  ];
  return { spec: { openapi: undefined, swagger: "2.0", paths }, calls };
}

test.each([
  { version: "2.0", ...swagger() },
  { version: "3.0", ...modern("3.0.3") },
  { version: "3.1", ...modern("3.1.0") },
  { version: "3.2", ...modern("3.2.0") },
])(
  "a dry run shows the bytes of every operation of a $version document",
  async ({ spec, calls }) => {
    const it = await world({ auth: "none", spec: spec as JsonObject });
    const called = new Set(calls.map(([tool]) => tool));
    expect([...it.gateway.snapshot.catalog.tools.keys()].toSorted()).toEqual(
      [...called].toSorted(),
    );
    for (const [tool, args] of calls) {
      const { shown, received } = await dryRunAndCall(it, tool, args);
      expect(shown, tool).toEqual(received);
    }
  },
);
