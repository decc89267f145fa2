import { digitsOf, printExactly } from "../../base/exact-number.ts";
import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { Style } from "../../openapi/operation/operation.ts";

type Encode = (text: string) => string;

/** How a list inside an object is written under `deepObject`: `a=1&a=2`, `a[]=1`, `a[0]=1`. */
export type DeepLists = "repeat" | "brackets" | "indices";

/** What the styles themselves write between and around the parts of one value. */
export interface Delimiters {
  readonly between: (style: Style) => string;
  /** A key of `deepObject`. */
  readonly bracket: (key: string) => string;
}

export interface Shape {
  /** As it goes on the wire. */
  readonly name: string;
  readonly style: Style;
  readonly explode: boolean;
  /** How lists inside a list are joined, from outside in; what is deeper is JSON. */
  readonly itemStyles: readonly Style[];
  /** Of a value. */
  readonly encode: Encode;
  /** Of a key of an object: it stands where a name stands, or between delimiters. */
  readonly encodeKey: Encode;
  readonly delimiters: Delimiters;
}

export type Pair = readonly [name: string, text: string];

const delimiterOf: Readonly<Partial<Record<Style, string>>> = {
  spaceDelimited: " ",
  pipeDelimited: "|",
  tabDelimited: "\t",
};

/** In header fields and parts of a multipart body, where nothing is percent-encoded. */
export const rawDelimiters: Delimiters = {
  between: (style) => delimiterOf[style] ?? ",",
  bracket: (key) => `[${key}]`,
};

/** In URLs and forms: none of them but the comma may stand there. */
export const encodedDelimiters: Delimiters = {
  between(style) {
    const raw = delimiterOf[style];
    return raw === undefined ? "," : encodeURIComponent(raw);
  },
  bracket: (key) => `%5B${key}%5D`,
};

/**
 * The styles whose values carry their names: queries, cookies and forms. Every item is encoded
 * first, then joined with the raw delimiter (OAS 3.2 §4.12.2.2, RFC 6570 §3.2.8).
 *
 * @returns Expands one value; empty when there is nothing to send (null, `[]`, `{}`).
 */
export function compilePairs(
  shape: Shape,
  lists: DeepLists,
): (value: JsonValue) => readonly Pair[] {
  const { name, style, explode, encode, encodeKey } = shape;
  // `deepObject` is undefined for anything but objects, the delimited styles when exploded.
  const exploded = explode || style === "deepObject";
  const join = compileJoin(shape);
  return (value) => {
    if (style === "deepObject" && isJsonObject(value)) return expandDeep(shape, value, lists);
    if (exploded && Array.isArray(value)) {
      return itemsOf(value).map((item) => [name, join.item(item)]);
    }
    if (exploded && isJsonObject(value)) {
      return membersOf(value).map(([key, member]) => [encodeKey(key), encode(spell(member))]);
    }
    const text = join.whole(value);
    return text === undefined ? [] : [[name, text]];
  };
}

/**
 * The styles of paths and headers: `matrix`, `label`, `simple`, and the delimited ones that 2.0 has
 * there too.
 *
 * @returns Expands one value; undefined when there is nothing to send.
 */
export function compileExpansion(shape: Shape): (value: JsonValue) => string | undefined {
  const { name, style, explode, encode, encodeKey } = shape;
  const prefix = style === "matrix" ? ";" : style === "label" ? "." : "";
  const separator = prefix === "" ? "," : prefix;
  const join = compileJoin(shape);
  // RFC 6570 §3.2.7: a path-style parameter without a value has no equals sign.
  const pair = (key: string, text: string): string =>
    style === "matrix" && text === "" ? key : `${key}=${text}`;
  const single = (text: string): string => (style === "matrix" ? pair(name, text) : text);
  return (value) => {
    if (explode && Array.isArray(value)) {
      const texts = itemsOf(value).map((item) => single(join.item(item)));
      return texts.length === 0 ? undefined : prefix + texts.join(separator);
    }
    if (explode && isJsonObject(value)) {
      const texts = membersOf(value).map(([key, member]) =>
        pair(encodeKey(key), encode(spell(member))),
      );
      return texts.length === 0 ? undefined : prefix + texts.join(separator);
    }
    const text = join.whole(value);
    return text === undefined ? undefined : prefix + single(text);
  };
}

interface Join {
  /** One item of a list. */
  readonly item: (item: JsonValue) => string;
  /** A value that is not exploded; undefined when there is nothing to send. */
  readonly whole: (value: JsonValue) => string | undefined;
}

function compileJoin({ style, itemStyles, encode, encodeKey, delimiters }: Shape): Join {
  const nested = (item: JsonValue, depth: number): string => {
    const inner = itemStyles[depth];
    if (inner === undefined || !Array.isArray(item)) return encode(spell(item));
    return itemsOf(item)
      .map((deeper) => nested(deeper, depth + 1))
      .join(delimiters.between(inner));
  };
  return {
    item: (item) => nested(item, 0),
    whole(value) {
      if (value === null) return undefined;
      if (typeof value !== "object") return encode(spell(value));
      const texts = isJsonObject(value)
        ? membersOf(value).flatMap(([key, member]) => [encodeKey(key), encode(spell(member))])
        : itemsOf(value).map((item) => nested(item, 0));
      return texts.length === 0 ? undefined : texts.join(delimiters.between(style));
    },
  };
}

/** `filter[a][b]=1`. OpenAPI leaves lists in it undefined, so APIs differ. */
function expandDeep(shape: Shape, value: JsonValue, lists: DeepLists): readonly Pair[] {
  const pairs: Pair[] = [];
  const under = (path: string, key: string): string => path + shape.delimiters.bracket(key);
  const walk = (path: string, member: JsonValue): void => {
    if (Array.isArray(member)) {
      for (const [index, item] of itemsOf(member).entries()) {
        const key = lists === "indices" ? String(index) : "";
        walk(lists === "repeat" ? path : under(path, key), item);
      }
    } else if (isJsonObject(member)) {
      for (const [key, inner] of membersOf(member)) walk(under(path, shape.encodeKey(key)), inner);
    } else pairs.push([path, shape.encode(spell(member))]);
  };
  walk(shape.name, value);
  return pairs;
}

function itemsOf(list: readonly JsonValue[]): readonly JsonValue[] {
  return list.filter((item) => item !== null);
}

function membersOf(value: { readonly [key: string]: JsonValue }): readonly [string, JsonValue][] {
  return Object.entries(value).filter(([, member]) => member !== null);
}

/** A scalar as text; integers without exponent; what is nested deeper than a style reaches, as JSON. */
export function spell(value: JsonValue): string {
  if (typeof value === "string") return spellText(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  // JSON writes 1e21 for an integer that a path or query wants in digits.
  return Number.isInteger(value) ? BigInt(value as number).toString() : printExactly(value);
}

/** A carried number as it was written, unless it has an exponent. */
function spellText(text: string): string {
  const digits = digitsOf(text);
  if (digits === undefined) return text;
  return /e/i.test(digits) ? spell(Number(digits)) : digits;
}
