import { isJsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";

/** What the schemas say about one value: all that apply to it, or may. */
export type Applying = readonly JsonSchema[];

const maxSchemas = 64;

/** Follows the input schema of a tool beside its arguments. */
export interface SchemaWalk {
  readonly root: Applying;
  /** Whether the document marks the value: `writeOnly`, `format: password` or `x-sensitive`. */
  readonly isSensitive: (applying: Applying) => boolean;
  readonly property: (applying: Applying, name: string) => Applying;
  readonly item: (applying: Applying) => Applying;
}

export function createSchemaWalk(schema: JsonSchema): SchemaWalk {
  const expand = (schemas: readonly (JsonValue | undefined)[]): Applying => {
    const found = new Set<JsonSchema>();
    const queue = [...schemas];
    for (let next = queue.shift(); queue.length > 0 || next !== undefined; next = queue.shift()) {
      if (!isJsonObject(next) || found.has(next) || found.size >= maxSchemas) continue;
      found.add(next);
      for (const key of ["allOf", "anyOf", "oneOf"]) queue.push(...listOf(next[key]));
      queue.push(next["then"], next["else"], target(schema, next["$ref"]));
    }
    return [...found];
  };
  return {
    root: expand([schema]),
    isSensitive: (applying) =>
      applying.some(
        (one) =>
          one["writeOnly"] === true || one["format"] === "password" || one["x-sensitive"] === true,
      ),
    property: (applying, name) =>
      expand(
        applying.flatMap((one) => {
          const { properties } = one;
          const own = isJsonObject(properties) ? properties[name] : undefined;
          return own === undefined ? [one["additionalProperties"]] : [own];
        }),
      ),
    item: (applying) =>
      expand(applying.flatMap((one) => [one["items"], ...listOf(one["prefixItems"])])),
  };
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

/** Only `#/…`: input schemas are whole. */
function target(root: JsonSchema, reference: JsonValue | undefined): JsonValue | undefined {
  if (typeof reference !== "string" || !reference.startsWith("#/")) return undefined;
  let value: JsonValue | undefined = root;
  for (const part of reference.slice(2).split("/")) {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    value = isJsonObject(value) ? value[name] : undefined;
  }
  return value;
}
