import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";

export type Named = (name: string) => JsonSchema | undefined;

const mergeable = new Set([
  "type",
  "title",
  "description",
  "examples",
  "properties",
  "required",
  "additionalProperties",
  "unevaluatedProperties",
  "allOf",
  "$defs",
]);
const maxSteps = 16;
/** Parts of one body, repeated ones counted again. */
const maxParts = 500;

/**
 * A body's root as one plain object where its allOf can be merged without changing what it accepts;
 * otherwise the schema as it is. `type: object` is added beside properties.
 */
export function flattenRoot(schema: JsonSchema, named: Named): JsonSchema {
  if (schema["allOf"] === undefined) return withType(schema);
  const merged = merge(schema, named, { left: maxParts });
  return merged === undefined ? withType(schema) : withType(merged);
}

/** Whether `flattenRoot` has something to do, told from the converted schema. */
export function needsFlattening(schema: JsonSchema): boolean {
  return Array.isArray(schema["allOf"]) || withType(schema) !== schema;
}

function withType(schema: JsonSchema): JsonSchema {
  if (schema["type"] !== undefined || schema["properties"] === undefined) return schema;
  return { type: "object", ...schema };
}

function merge(
  schema: JsonObject,
  named: Named,
  budget: { left: number },
): JsonObject | undefined {
  const own = deref(schema, named);
  if (own === undefined || budget.left-- <= 0) return undefined;
  if (!Object.keys(own).every((keyword) => mergeable.has(keyword))) return undefined;
  if (!isObjectType(own["type"])) return undefined;
  const extra = own["additionalProperties"];
  if (isJsonObject(extra) && Object.keys(extra).length > 0) return undefined;
  const { allOf, ...rest } = own;
  if (!Array.isArray(allOf)) return rest;
  const branches: JsonObject[] = [rest];
  for (const branch of allOf as readonly JsonValue[]) {
    const part = isJsonObject(branch) ? merge(branch, named, budget) : undefined;
    if (part === undefined) return undefined;
    branches.push(part);
  }
  return union(branches);
}

/** `{$ref}` alone, or with words beside it. */
function deref(schema: JsonObject, named: Named): JsonObject | undefined {
  let current: JsonObject | undefined = schema;
  for (let steps = 0; current !== undefined && steps < maxSteps; steps++) {
    const { $ref, title: _title, description: _description, ...rest }: JsonObject = current;
    if (typeof $ref !== "string") return current;
    if (Object.keys(rest).length > 0) return undefined;
    current = named($ref.slice("#/$defs/".length));
  }
  return undefined;
}

/** A missing type is an object's here: the other keywords allow nothing else. */
function isObjectType(type: JsonValue | undefined): boolean {
  return type === undefined || type === "object";
}

function union(parts: readonly JsonObject[]): JsonObject {
  const properties = new Map<string, JsonValue>();
  const required = new Set<string>();
  let closed = false;
  for (const part of parts) {
    for (const [name, schema] of Object.entries((part["properties"] ?? {}) as JsonObject)) {
      const known = properties.get(name);
      const differs = known !== undefined && JSON.stringify(known) !== JSON.stringify(schema);
      properties.set(name, differs ? { allOf: [known, schema] } : schema);
    }
    for (const name of (part["required"] ?? []) as readonly string[]) required.add(name);
    closed ||= part["additionalProperties"] === false || part["unevaluatedProperties"] === false;
  }
  // Outer first: the words of the schema itself win over those of its parts.
  const words = Object.assign({}, ...parts.map(wordsOf).toReversed()) as JsonObject;
  return {
    type: "object",
    ...words,
    properties: Object.fromEntries(properties),
    ...(required.size > 0 ? { required: [...required] } : {}),
    // Each part closed for itself would refuse the others' properties, which nobody means.
    ...(closed ? { unevaluatedProperties: false } : {}),
  };
}

function wordsOf({ title, description, examples, $defs }: JsonObject): JsonObject {
  return {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(examples === undefined ? {} : { examples }),
    ...($defs === undefined ? {} : { $defs }),
  };
}
