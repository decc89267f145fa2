import type { JsonObject, JsonSchema } from "../../base/json.ts";

/**
 * What a key says about itself: `description` always; `default` as one would write it, or `x-default`
 * in words where it is computed; `examples`; `x-secret` where a literal value is refused.
 */
export type Note = JsonObject & { readonly description: string };

/** A mapping with exactly these keys; `x-…` keys are free for anchors and notes. */
export function section(
  note: Note,
  required: readonly string[],
  properties: JsonObject,
  rules: JsonObject = {},
): JsonSchema {
  return {
    type: "object",
    ...note,
    properties,
    patternProperties: { "^x-": { description: "Ignored: for anchors and notes." } },
    additionalProperties: false,
    required,
    ...rules,
  };
}

/** A mapping whose keys are names that the operator chooses. */
export function named(note: Note, names: JsonObject, entry: JsonSchema): JsonSchema {
  return { type: "object", ...note, propertyNames: names, additionalProperties: entry };
}

/** For `section`'s rules: one of these keys must be there, and only one. */
export function exactlyOne(keys: readonly string[]): JsonObject {
  return { oneOf: keys.map((key) => ({ required: [key] })) };
}

export function list(note: Note, items: JsonSchema, rules: JsonObject = {}): JsonSchema {
  return { type: "array", ...note, items, ...rules };
}

/** A list, or its only item without the brackets. */
export function oneOrMany(note: Note, item: JsonSchema): JsonSchema {
  return {
    ...note,
    anyOf: [
      { ...item, type: "string" },
      { type: "array", items: item, minItems: 1, uniqueItems: true },
    ],
  };
}

export function text(note: Note, rules: JsonObject = {}): JsonSchema {
  return { type: "string", ...note, minLength: 1, ...rules };
}

export function choice(note: Note, values: readonly string[]): JsonSchema {
  return { type: "string", ...note, enum: values };
}

export function flag(note: Note): JsonSchema {
  return { type: "boolean", ...note };
}
