import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";
import { applicators } from "./keyword.ts";
import { flattenRoot, type Named } from "./merge.ts";

/**
 * `additionalProperties: false` refuses the properties that the schemas beside it in an `allOf`,
 * `oneOf` or `anyOf` ask for, so that no value fits, which nobody means. The object is closed around
 * all of them instead; the schema itself comes back where there is nothing to mend.
 */
export function openClosedParts(schema: JsonSchema, named: Named): JsonSchema {
  const inside = mapSchemas(schema, (inner) => openClosedParts(inner, named));
  const merged = excludesItself(inside, named) ? flattenRoot(inside, named) : inside;
  if (!isClosedToItsParts(merged, named)) return merged;
  const { additionalProperties: _closed, ...rest } = merged;
  return { ...rest, unevaluatedProperties: false };
}

function mapSchemas(schema: JsonSchema, change: (inner: JsonSchema) => JsonSchema): JsonSchema {
  let changed: Record<string, JsonValue> | undefined;
  for (const [keyword, value] of Object.entries(schema)) {
    const mapped = mapKeyword(keyword, value, change);
    if (mapped === value) continue;
    changed ??= { ...schema };
    changed[keyword] = mapped;
  }
  return changed ?? schema;
}

function mapKeyword(
  keyword: string,
  value: JsonValue,
  change: (inner: JsonSchema) => JsonSchema,
): JsonValue {
  const holds = keyword === "properties" ? "map" : (applicators.get(keyword)?.holds ?? itemsOf(keyword));
  const mapOne = (inner: JsonValue): JsonValue => (isJsonObject(inner) ? change(inner) : inner);
  if (holds === "schema") return mapOne(value);
  if (holds === "list" && Array.isArray(value)) {
    const list = (value as readonly JsonValue[]).map(mapOne);
    return list.every((inner, i) => inner === value[i]) ? value : list;
  }
  if (holds !== "map" || !isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, mapOne(inner)] as const);
  return entries.every(([name, inner]) => inner === value[name])
    ? value
    : Object.fromEntries(entries);
}

function itemsOf(keyword: string): "schema" | undefined {
  return keyword === "items" ? "schema" : undefined;
}

const inPlace = ["allOf", "anyOf", "oneOf"];
const maxDepth = 16;

/** Whether it, or a part of its `allOf`, is closed to a property that stands beside it. */
function excludesItself(schema: JsonObject, named: Named): boolean {
  const { allOf } = schema;
  if (!Array.isArray(allOf)) return isClosedToItsParts(schema, named);
  const names = namesIn(schema, named, maxDepth);
  const parts = [schema, ...(allOf as readonly JsonValue[])].map((part) => follow(part, named));
  return parts.some((part) => isClosed(part) && !hasAll(part, names));
}

function isClosedToItsParts(schema: JsonObject, named: Named): boolean {
  return isClosed(schema) && !hasAll(schema, namesIn(schema, named, maxDepth));
}

function isClosed(part: JsonObject): boolean {
  return part["additionalProperties"] === false && part["patternProperties"] === undefined;
}

function hasAll(part: JsonObject, names: readonly string[]): boolean {
  const own = propertiesOf(part);
  return names.every((name) => Object.hasOwn(own, name));
}

/** Properties that the schema or a schema about the same instance has. */
function namesIn(schema: JsonValue, named: Named, depth: number): readonly string[] {
  if (depth === 0) return [];
  const part = follow(schema, named);
  const beside = inPlace.flatMap((keyword) => part[keyword] ?? []);
  const below = beside.flatMap((inner) => namesIn(inner, named, depth - 1));
  return [...new Set([...Object.keys(propertiesOf(part)), ...below])];
}

function follow(part: JsonValue, named: Named): JsonObject {
  let current = part;
  for (let hops = 0; hops < maxDepth && isJsonObject(current); hops++) {
    const ref = current["$ref"];
    if (typeof ref !== "string") return current;
    current = named(ref.slice("#/$defs/".length)) ?? {};
  }
  return {};
}

function propertiesOf(part: JsonObject): JsonObject {
  return isJsonObject(part["properties"]) ? part["properties"] : {};
}
