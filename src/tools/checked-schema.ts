import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { isLinearPattern } from "./pattern.ts";

/** Formats that are asserted; every other format is an annotation. */
export const assertedFormats = [
  "date-time",
  "date",
  "uuid",
  "email",
  "uri",
  "ipv4",
  "ipv6",
  "hostname",
] as const;

const asserted = new Set<string>(assertedFormats);

/**
 * The schema that arguments are checked against. It differs from the published one where checking
 * would refuse what the API accepts (`oneOf` with overlapping branches), or could take more than
 * linear time (patterns with lookaround), and it refuses what the gateway fills in itself. Numbers of
 * many digits may be texts.
 */
export function checkedSchema(
  published: JsonSchema,
  hidden: { readonly argument: string; readonly properties: readonly string[] },
): JsonSchema {
  const schema = relax(published) as JsonObject;
  if (hidden.properties.length === 0) return schema;
  const properties = schema["properties"] as JsonObject;
  const body = properties[hidden.argument];
  if (!isJsonObject(body)) return schema;
  const refused = Object.fromEntries(hidden.properties.map((name) => [name, { not: {} }]));
  const known = isJsonObject(body["properties"]) ? body["properties"] : {};
  return {
    ...schema,
    properties: {
      ...properties,
      [hidden.argument]: { ...body, properties: { ...known, ...refused } },
    },
  };
}

/** Keywords whose value is data, where a key like `oneOf` or `$ref` means nothing. */
export const schemaData: ReadonlySet<string> = new Set([
  "const",
  "enum",
  "default",
  "examples",
  "required",
  "dependentRequired",
]);
/** Keywords whose value holds schemas by name, where a key like `default` is only a name. */
export const schemaMaps: ReadonlySet<string> = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "dependentSchemas",
]);

function relax(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(relax);
  if (!isJsonObject(value)) return value;
  const relaxed: Record<string, JsonValue> = {};
  for (const [key, child] of Object.entries(value)) {
    if (schemaData.has(key)) relaxed[key] = child;
    else if (schemaMaps.has(key) && isJsonObject(child)) relaxed[key] = relaxMap(key, child);
    else if (key === "oneOf") mergeAnyOf(relaxed, relax(child));
    else if (key === "pattern" && typeof child === "string") {
      if (isLinearPattern(child)) relaxed[key] = child;
    } else if (key === "format" && !(typeof child === "string" && asserted.has(child))) continue;
    else relaxed[key] = relax(child);
  }
  return acceptDigits(relaxed, value["format"]);
}

/** Numbers that JavaScript, and so many a client, cannot hold: the text of one has all its digits. */
const exactForms: ReadonlyMap<unknown, string> = new Map([
  ["int64", "^-?[0-9]+$"],
  ["uint64", "^[0-9]+$"],
  ["decimal", "^-?[0-9]+(?:\\.[0-9]+)?$"],
]);

function acceptDigits(schema: JsonObject, format: JsonValue | undefined): JsonObject {
  const pattern = exactForms.get(format);
  const types = [schema["type"]].flat();
  // Listed values are numbers, and short ones.
  if ("enum" in schema || "const" in schema) return schema;
  if (pattern === undefined || types.includes("string")) return schema;
  if (!types.includes("integer") && !types.includes("number")) return schema;
  const bounds = { format: format as string, ...boundsOf(schema) };
  return { ...schema, type: [...types, "string"] as JsonValue, pattern, digitsWithin: bounds };
}

const boundKeywords = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
] as const;

/** What JSON Schema says of numbers alone must hold for a text of digits as well. */
function boundsOf(schema: JsonObject): JsonObject {
  const bounds = boundKeywords.flatMap((keyword) => {
    const bound = schema[keyword];
    return bound === undefined ? [] : [[keyword, bound] as const];
  });
  return Object.fromEntries(bounds);
}

function relaxMap(key: string, map: JsonObject): JsonObject {
  const kept = Object.entries(map).filter(
    ([name]) => key !== "patternProperties" || isLinearPattern(name),
  );
  return Object.fromEntries(kept.map(([name, child]) => [name, relax(child)]));
}

/** A schema with both `anyOf` and `oneOf` needs both. */
function mergeAnyOf(relaxed: Record<string, JsonValue>, branches: JsonValue): void {
  if (!("anyOf" in relaxed)) relaxed["anyOf"] = branches;
  else {
    const both = relaxed["allOf"];
    relaxed["allOf"] = [...(Array.isArray(both) ? both : []), { anyOf: branches }];
  }
}
