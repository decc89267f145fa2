import { isJsonObject, type JsonValue } from "../../base/json.ts";

/** Returns the value to publish, or undefined when its form would make a validator refuse the schema. */
export type Check = (value: JsonValue) => JsonValue | undefined;

const finite: Check = (value) =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;
const positive: Check = (value) => (Number(finite(value)) > 0 ? value : undefined);
const count: Check = (value) =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
const flag: Check = (value) => (typeof value === "boolean" ? value : undefined);
const text: Check = (value) => (typeof value === "string" ? value : undefined);

/** A list of property names, each once; empty lists say nothing. */
export const uniqueNames: Check = (value) =>
  Array.isArray(value) && value.every((name) => typeof name === "string")
    ? [...new Set(value)]
    : undefined;

const namesByProperty: Check = (value) => {
  if (!isJsonObject(value)) return undefined;
  const lists = Object.entries(value).map(([name, list]) => [name, uniqueNames(list)] as const);
  return lists.every(([, list]) => list !== undefined)
    ? (Object.fromEntries(lists) as JsonValue)
    : undefined;
};

/** Keywords that are copied when they have the form JSON Schema 2020-12 asks for. */
export const plainKeywords: ReadonlyMap<string, Check> = new Map([
  ...["maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"].map(
    (name) => [name, finite] as const,
  ),
  ...["maxLength", "minLength", "maxItems", "minItems"].map((name) => [name, count] as const),
  ...["maxProperties", "minProperties", "maxContains", "minContains"].map(
    (name) => [name, count] as const,
  ),
  ["multipleOf", positive],
  ["uniqueItems", flag],
  ["deprecated", flag],
  ["writeOnly", flag],
  // For the audit log: what it marks is not shown there.
  ["x-sensitive", flag],
  ["format", text],
  ["contentEncoding", text],
  ["contentMediaType", text],
  ["required", uniqueNames],
  ["dependentRequired", namesByProperty],
]);

/** How a keyword holds other schemas, and whether they speak about the same instance. */
export interface Applicator {
  readonly holds: "schema" | "list" | "map";
  readonly inPlace: boolean;
  /** `false` as a schema is kept: it closes an object or array. */
  readonly mayBeFalse: boolean;
}

const closing = { holds: "schema", inPlace: false, mayBeFalse: true } as const;
const schema = { holds: "schema", inPlace: false, mayBeFalse: false } as const;
const list = { holds: "list", inPlace: true, mayBeFalse: false } as const;
const map = { holds: "map", inPlace: false, mayBeFalse: false } as const;

export const applicators: ReadonlyMap<string, Applicator> = new Map<string, Applicator>([
  ["allOf", list],
  ["anyOf", list],
  ["oneOf", list],
  ["prefixItems", { ...list, inPlace: false }],
  ["not", { ...schema, inPlace: true }],
  ["if", { ...schema, inPlace: true }],
  ["then", { ...schema, inPlace: true }],
  ["else", { ...schema, inPlace: true }],
  ["contains", schema],
  ["propertyNames", schema],
  ["contentSchema", schema],
  ["additionalProperties", closing],
  ["unevaluatedProperties", closing],
  ["unevaluatedItems", closing],
  ["patternProperties", { ...map, mayBeFalse: true }],
  ["dependentSchemas", { ...map, inPlace: true }],
  ["$defs", map],
]);
