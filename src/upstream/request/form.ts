import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { FieldEncoding } from "../../openapi/operation/operation.ts";
import { contentText } from "./content.ts";
import { compilePairs, encodedDelimiters, spell, type DeepLists, type Pair } from "./style.ts";
import {
  encodeFormStyle,
  encodeFormText,
  encodeReserved,
  reservedInQuery,
} from "./text-encoding.ts";

export type Fields = ReadonlyMap<string, FieldEncoding>;

type Write = (value: JsonValue) => readonly Pair[];

/**
 * `application/x-www-form-urlencoded`, property by property. A property with a style is written by
 * RFC 6570 (space is `%20`); any other by its media type (space is `+`): a list repeats its name,
 * an object is JSON (OAS 3.2 §4.14.4).
 *
 * @returns Pairs, encoded. Throws URIError for broken Unicode.
 */
export function compileForm(
  fields: Fields,
  lists: DeepLists,
): (value: JsonObject) => readonly Pair[] {
  const writers = new Map<string, Write>();
  for (const [name, { style, contentType }] of fields) {
    if (style === undefined) {
      writers.set(name, byType(name, contentType));
      continue;
    }
    const encode = style.allowReserved
      ? (text: string) => encodeReserved(text, reservedInQuery, encodeFormStyle)
      : encodeFormStyle;
    const shape = { ...style, encode, encodeKey: encodeFormStyle, delimiters: encodedDelimiters };
    writers.set(name, compilePairs({ ...shape, name: encodeFormStyle(name) }, lists));
  }
  return (value) =>
    Object.entries(value).flatMap(([name, member]) => {
      const write = writers.get(name) ?? byType(name, undefined);
      return write(member);
    });
}

function byType(name: string, contentType: string | undefined): Write {
  return (value) => {
    const items = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
    return items
      .filter((item) => item !== null)
      .map((item) => {
        const text = contentType === undefined ? spell(item) : contentText(item, contentType);
        return [encodeFormText(name), encodeFormText(text)];
      });
  };
}

/** `a=1&b=2` */
export function joinPairs(pairs: readonly Pair[], separator: string): string {
  return pairs.map(([name, text]) => `${name}=${text}`).join(separator);
}

export function asObject(value: JsonValue, refuse: () => Error): JsonObject {
  if (isJsonObject(value)) return value;
  throw refuse();
}
