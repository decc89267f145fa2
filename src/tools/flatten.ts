import { isJsonObject, type JsonObject, type JsonSchema } from "../base/json.ts";
import { kindOf } from "../openapi/operation/media.ts";
import { argumentName } from "./name.ts";

/** One property of a body as an argument of its own. */
export interface Field {
  /** Argument name before a rule renames it. */
  readonly name: string;
  /** Name in the body. */
  readonly property: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

/** What a root may say without saying more than which properties there are. */
const plain = new Set([
  "type",
  "title",
  "description",
  "examples",
  "default",
  "deprecated",
  "writeOnly",
  "properties",
  "required",
  "additionalProperties",
  "unevaluatedProperties",
]);

const kinds = new Set(["json", "form", "multipart"]);

/**
 * The properties of a body, or why it cannot be taken apart: arguments at the top level can say
 * nothing about each other.
 *
 * @param schema The body's root, with its reference followed.
 */
export function flattenBody(
  schema: JsonObject,
  mediaType: string,
): { readonly fields: readonly Field[] } | { readonly fault: string } {
  if (!kinds.has(kindOf(mediaType).kind)) return { fault: `it is sent as ${mediaType}` };
  const { type, properties, required } = schema;
  if (type !== "object" || !isJsonObject(properties)) {
    return { fault: "its schema is no object with properties" };
  }
  const more = Object.keys(schema).find((keyword) => !plain.has(keyword));
  if (more !== undefined) return { fault: `its schema has ${more}` };
  const others = ["additionalProperties", "unevaluatedProperties"].find(
    (keyword) => typeof (schema[keyword] ?? true) !== "boolean",
  );
  if (others !== undefined) return { fault: `its schema describes ${others}` };
  const demanded = new Set(Array.isArray(required) ? required : []);
  const taken = new Set<string>();
  const fields = Object.entries(properties).map(([property, inner]): Field => {
    let name = argumentName(property);
    for (let n = 2; taken.has(name); n++) name = argumentName(`${property}_${n}`);
    taken.add(name);
    const own = isJsonObject(inner) ? inner : {};
    return { name, property, schema: own, required: demanded.has(property) };
  });
  return { fields };
}
