import type { JsonSchema } from "../base/json.ts";
import type { SchemaPool } from "../openapi/operation/operation.ts";
import { reachable } from "./definitions.ts";
import type { Layout } from "./layout.ts";

/**
 * The published schema: the root is a plain object and nothing else, because some model APIs refuse
 * a whole request over one composed root; `$defs` holds exactly what can be reached from it.
 */
export function inputSchema(layout: Layout, schemas: SchemaPool): JsonSchema {
  const { properties, required } = layout;
  const definitions = reachable(Object.values(properties), schemas);
  return {
    type: "object",
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
    ...(Object.keys(definitions).length > 0 ? { $defs: definitions } : {}),
  };
}
