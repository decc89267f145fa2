import { expect, test } from "vitest";

import { convertComponent } from "./load-text.ts";

const others = {
  Open: { type: "object", properties: { a: { type: "string" } } },
  Closed: { type: "object", properties: { a: { type: "string" } }, additionalProperties: false },
  Pair: { oneOf: [{ $ref: "#/components/schemas/Open" }, { type: "object" }] },
};
const open = { $ref: "#/components/schemas/Open" };
const closed = { $ref: "#/components/schemas/Closed" };
const b = { type: "object", properties: { b: { type: "integer" } } };
const both = {
  type: "object",
  properties: { a: { type: "string" }, b: { type: "integer" } },
  unevaluatedProperties: false,
};

test.each([
  {
    what: "a closed part beside another is merged with it",
    schema: { type: "object", properties: { inner: { allOf: [closed, b] } } },
    becomes: { type: "object", properties: { inner: both } },
  },
  {
    what: "a list's items are mended too",
    schema: { type: "array", items: { allOf: [closed, b] } },
    becomes: { type: "array", items: both },
  },
  {
    what: "an object closed to its own choice is closed around it",
    schema: { type: "object", additionalProperties: false, oneOf: [open, b] },
    becomes: {
      type: "object",
      oneOf: [{ $ref: "#/$defs/Open" }, b],
      unevaluatedProperties: false,
    },
  },
  {
    what: "what stands behind a reference and a choice counts",
    schema: {
      type: "object",
      additionalProperties: false,
      anyOf: [{ $ref: "#/components/schemas/Pair" }],
    },
    becomes: {
      type: "object",
      anyOf: [{ $ref: "#/$defs/Pair" }],
      unevaluatedProperties: false,
    },
  },
  {
    what: "a closed object that lists every name stays",
    schema: { ...both, unevaluatedProperties: undefined, additionalProperties: false, anyOf: [b] },
    becomes: {
      type: "object",
      properties: both.properties,
      additionalProperties: false,
      anyOf: [b],
    },
  },
  {
    what: "parts that are all open stay apart",
    schema: { allOf: [open, b] },
    becomes: { allOf: [{ $ref: "#/$defs/Open" }, b] },
  },
  {
    what: "a closed part that cannot be merged stays as it is",
    schema: { allOf: [closed, { ...b, minProperties: 1 }] },
    becomes: { allOf: [{ $ref: "#/$defs/Closed" }, { ...b, minProperties: 1 }] },
  },
])("$what", async ({ schema, becomes }) => {
  const { schema: converted } = await convertComponent(schema, { others });
  expect(converted).toEqual(becomes);
});
