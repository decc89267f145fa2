import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import type { SchemaPool } from "../openapi/operation/operation.ts";
import { schemaData, schemaMaps } from "./checked-schema.ts";

/** RFC 6901 §4 */
export function unescapePointer(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** In the order of their names, so that the same operation always has the same bytes. */
export function reachable(roots: readonly JsonSchema[], schemas: SchemaPool): JsonObject {
  const found = new Map<string, JsonSchema>();
  const pending: JsonValue[] = [...roots];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    for (const name of referencesIn(value)) {
      if (found.has(name)) continue;
      const schema = schemas.get(name) ?? {};
      found.set(name, schema);
      pending.push(schema);
    }
  }
  return Object.fromEntries([...found].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function* referencesIn(root: JsonValue): Generator<string> {
  const pending: JsonValue[] = [root];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (Array.isArray(value)) pending.push(...(value as readonly JsonValue[]));
    else if (isJsonObject(value)) {
      const ref = value["$ref"];
      if (typeof ref === "string" && ref.startsWith("#/$defs/")) {
        yield unescapePointer(ref.slice("#/$defs/".length).split("/")[0] ?? "");
      }
      for (const [key, child] of Object.entries(value)) {
        // The keys of a map are names, and a name may look like a keyword.
        if (schemaMaps.has(key) && isJsonObject(child)) pending.push(...Object.values(child));
        else if (!schemaData.has(key)) pending.push(child);
      }
    }
  }
}
