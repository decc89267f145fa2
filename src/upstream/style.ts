import { isJsonObject, type JsonValue } from "../base/json.ts";
import type { Style } from "../openapi/operation.ts";

type Encode = (text: string) => string;

interface Shape {
  readonly name: string;
  readonly style: Style;
  readonly explode: boolean;
  /** Of a value or name that stands in this place. */
  readonly encode: Encode;
  /** Between exploded pairs of `form`: `&` in a query, `; ` in a cookie. */
  readonly between: string;
}

/**
 * RFC 6570 expansion as OpenAPI's style table writes it: every item is encoded first, then joined
 * with the raw delimiter.
 *
 * @returns Expands one value; undefined when there is nothing to send (null, `[]`, `{}`).
 */
export function compileStyle(shape: Shape): (value: JsonValue) => string | undefined {
  const form = compileForm(shape);
  if (shape.style === "deepObject") return (value) => expandDeep(shape, value, form);
  return form;
}

interface Form {
  readonly prefix: string;
  /** Between exploded members, and between the parts of an unexploded one. */
  readonly separator: string;
  readonly delimiter: string;
  readonly named: boolean;
  readonly explode: boolean;
}

function formOf({ style, explode, between }: Shape): Form {
  const form = { prefix: "", separator: between, delimiter: ",", named: true, explode };
  switch (style) {
    case "matrix":
      return { ...form, prefix: ";", separator: ";" };
    case "label":
      return { ...form, prefix: ".", separator: ".", named: false };
    case "simple":
      return { ...form, separator: ",", named: false };
    case "spaceDelimited":
      return { ...form, delimiter: "%20" };
    case "pipeDelimited":
      return { ...form, delimiter: "%7C" };
    case "tabDelimited":
      return { ...form, delimiter: "%09" };
    case "deepObject":
      // Undefined for arrays and primitives: sent as the common exploded form.
      return { ...form, explode: true };
    case "form":
      return form;
    case "cookie":
      return { ...form, separator: "; " };
  }
}

function compileForm(shape: Shape): (value: JsonValue) => string | undefined {
  const { prefix, separator, delimiter, named, explode } = formOf(shape);
  const { encode } = shape;
  const name = encode(shape.name);
  const label = named ? `${name}=` : "";
  return (value) => {
    if (value === null) return undefined;
    if (Array.isArray(value)) {
      const items = (value as readonly JsonValue[]).filter((item) => item !== null).map(spell);
      if (items.length === 0) return undefined;
      const texts = items.map(encode);
      if (!explode) return prefix + label + texts.join(delimiter);
      return prefix + texts.map((text) => label + text).join(separator);
    }
    if (isJsonObject(value)) {
      const pairs = Object.entries(value).filter(([, member]) => member !== null);
      if (pairs.length === 0) return undefined;
      const texts = pairs.map(([key, member]) => [encode(key), encode(spell(member))] as const);
      if (!explode) return prefix + label + texts.flat().join(delimiter);
      return prefix + texts.map(([key, text]) => `${key}=${text}`).join(separator);
    }
    return prefix + label + encode(spell(value));
  };
}

/** `filter[a][b]=1`; a list repeats its name, since OpenAPI leaves nesting undefined. */
function expandDeep(
  shape: Shape,
  value: JsonValue,
  otherwise: (value: JsonValue) => string | undefined,
): string | undefined {
  if (!isJsonObject(value)) return otherwise(value);
  const pairs: string[] = [];
  const walk = (path: string, member: JsonValue): void => {
    if (member === null) return;
    if (Array.isArray(member)) for (const item of member as readonly JsonValue[]) walk(path, item);
    else if (isJsonObject(member)) {
      for (const [key, child] of Object.entries(member)) {
        walk(`${path}%5B${shape.encode(key)}%5D`, child);
      }
    } else pairs.push(`${path}=${shape.encode(spell(member))}`);
  };
  walk(shape.encode(shape.name), value);
  return pairs.length === 0 ? undefined : pairs.join(shape.between);
}

/** A scalar as text; integers without exponent; what is nested deeper than a style reaches, as JSON. */
export function spell(value: JsonValue): string {
  if (typeof value === "string") return value;
  // JSON writes 1e21 for an integer that a path or query wants in digits.
  return Number.isInteger(value) ? BigInt(value as number).toString() : JSON.stringify(value);
}
