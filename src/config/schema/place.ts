import { isJsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";

/** The schemas that may apply at one place: several where a value may have several forms. */
export type Forms = readonly JsonSchema[];

export function formsOf(schema: JsonValue | undefined): Forms {
  if (!isJsonObject(schema)) return [];
  const branches = schema["anyOf"];
  return Array.isArray(branches) ? (branches as readonly JsonValue[]).flatMap(formsOf) : [schema];
}

export function formsOfKey(parent: Forms, key: string): Forms {
  return parent.flatMap((form) => {
    const properties = form["properties"];
    const own = isJsonObject(properties) && Object.hasOwn(properties, key);
    return formsOf(own ? properties[key] : form["additionalProperties"]);
  });
}

export function formsOfItem(parent: Forms): Forms {
  return parent.flatMap((form) => formsOf(form["items"]));
}

/** Keys with a default, and that default as it would be written. */
export function defaultsAt(forms: Forms): readonly (readonly [string, JsonValue])[] {
  return forms.flatMap((form) => {
    const properties = form["properties"];
    if (!isJsonObject(properties)) return [];
    return Object.entries(properties).flatMap(([key, schema]): [string, JsonValue][] => {
      const value = isJsonObject(schema) ? schema["default"] : undefined;
      return value === undefined ? [] : [[key, value]];
    });
  });
}

export function isSecretPlace(forms: Forms): boolean {
  return forms.some((form) => form["x-secret"] === true);
}

/** A number or a boolean belongs here, and a string does not. */
export function wantsNoText(forms: Forms): boolean {
  const types = new Set(forms.flatMap((form) => form["type"] ?? "string").flat());
  return (types.has("integer") || types.has("boolean")) && !types.has("string");
}
