import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/base/json.ts";
import { parseDocument } from "../../src/config/document.ts";
import { createProblems } from "../../src/config/problems.ts";
import { gatewaySchema } from "../../src/config/schema/gateway.ts";
import { correctSpelling } from "../../src/config/spelling.ts";
import { readTree } from "../../src/config/tree.ts";
import { validateTree } from "../../src/config/validate.ts";

/** Of every kind, at the edges of what the schema asks for. */
const odd: readonly JsonValue[] = [
  null,
  true,
  0,
  -1,
  1,
  2.5,
  100_000_000,
  "",
  "x",
  "X y",
  "principal.sub",
  "https://a.example/b",
  "10s",
  [],
  ["x"],
  ["x", "x"],
  [0, true, 0],
  {},
  { x: "x" },
  { "": [] },
  { "x-note": 1 },
];

interface Place {
  readonly path: string;
  readonly schema: JsonObject;
}

function placesOf(schema: JsonValue | undefined, path: string): readonly Place[] {
  if (!isJsonObject(schema)) return [];
  const properties = isJsonObject(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  const forms = (schema["anyOf"] ?? []) as readonly JsonValue[];
  return [
    { path, schema },
    ...properties.flatMap(([key, inner]) => placesOf(inner, `${path}.${key}`)),
    ...forms.flatMap((form, index) => placesOf(form, `${path}(${index})`)),
    ...placesOf(schema["items"], `${path}[]`),
    ...placesOf(schema["additionalProperties"], `${path}.*`),
  ];
}

/** The value, and the value with one of its parts gone, doubled or another. */
function variantsOf(value: JsonValue): readonly JsonValue[] {
  if (typeof value !== "object" || value === null) return [value];
  const entries = Object.entries(value);
  const rebuilt: (typeof entries)[] = entries.flatMap(([key], index) => [
    entries.toSpliced(index, 1),
    ...odd.map((other) => entries.with(index, [key, other])),
  ]);
  const whole = Array.isArray(value)
    ? [[...(value as readonly JsonValue[]), ...(value as readonly JsonValue[])]]
    : [];
  return [
    value,
    ...whole,
    ...rebuilt.map((parts) =>
      Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts),
    ),
  ];
}

const ajv = new Ajv2020({ strict: false, validateSchema: false });
const places = placesOf(gatewaySchema, "");

test("there are places of every kind", () => {
  expect(places.length).toBeGreaterThan(400);
});

test.each(places)("$path: what ajv refuses has a finding, and nothing else", ({ schema }) => {
  const isValid = ajv.compile(schema);
  const examples = (schema["examples"] ?? []) as readonly JsonValue[];
  const disagreed: string[] = [];
  for (const value of [...odd, ...examples.flatMap(variantsOf)]) {
    // JSON is YAML.
    const text = JSON.stringify(value);
    const document = parseDocument(text, "gateway.yaml", createProblems());
    const tree = document && readTree(document, createProblems());
    if (tree === undefined) throw new Error(`no YAML: ${text}`);
    // Unknown keys are another room's matter.
    const corrected = correctSpelling(tree, schema, createProblems());
    const problems = createProblems();
    validateTree(corrected, schema, problems);
    if (isValid(corrected.value) !== (problems.errors().length === 0)) disagreed.push(text);
  }
  expect(disagreed).toEqual([]);
});
