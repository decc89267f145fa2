import { isJsonObject, type JsonValue } from "../../src/base/json.ts";
import type { Style } from "../../src/openapi/operation/operation.ts";

/** What a style leaves of a value. */
export type Text = string | readonly Text[] | { readonly [name: string]: Text };

export interface Shape {
  readonly name: string;
  readonly style: Style;
  readonly explode: boolean;
}

/** Where a parameter is looked for: its own text, or pairs that it shares with others. */
export interface Wire {
  readonly whole: string | undefined;
  readonly pairs: readonly string[];
  readonly decode: (text: string) => string;
}

const delimiters: Partial<Readonly<Record<Style, string>>> = {
  spaceDelimited: "%20",
  pipeDelimited: "%7C",
  tabDelimited: "%09",
};

/**
 * What one style left in `wire` (OAS 3.2 §4.12.2 and RFC 6570).
 *
 * @param like A text cannot say whether it was a list of one, so the reader is told the kind.
 */
export function readStyled(shape: Shape, like: JsonValue, wire: Wire): Text | undefined {
  const { style, explode } = shape;
  if (style === "deepObject" && isJsonObject(like)) return readDeep(shape.name, wire);
  if (wire.whole !== undefined && style !== "form") {
    return readWhole(shape, like, { ...wire, whole: wire.whole });
  }
  if (explode || style === "deepObject") return readExploded(shape.name, like, wire);
  const [text] = valuesOf(shape.name, wire);
  if (text === undefined) return undefined;
  return readList(text.split(delimiters[style] ?? ","), like, wire.decode);
}

/** A path segment or a header: prefix, then parts. */
function readWhole(
  { name, style, explode }: Shape,
  like: JsonValue,
  { whole, decode }: Wire & { readonly whole: string },
): Text | undefined {
  const prefix = { matrix: ";", label: "." }[style as string] ?? "";
  if (!whole.startsWith(prefix)) throw new Error(`${whole} does not start with ${prefix}`);
  const rest = whole.slice(prefix.length);
  if (!explode || (style !== "matrix" && !Array.isArray(like) && !isJsonObject(like))) {
    const text = style === "matrix" ? rest.slice(name.length + 1) : rest;
    return readList(text.split(","), like, decode);
  }
  const parts = rest.split(prefix === "" ? "," : prefix);
  if (isJsonObject(like)) return Object.fromEntries(parts.map((part) => readPair(part, decode)));
  const texts =
    style === "matrix" ? parts.map((part) => readPair(part, decode)[1]) : parts.map(decode);
  return Array.isArray(like) ? texts : texts.join(",");
}

function readExploded(name: string, like: JsonValue, wire: Wire): Text | undefined {
  if (!isJsonObject(like)) {
    const texts = valuesOf(name, wire).map(wire.decode);
    if (texts.length === 0) return undefined;
    return Array.isArray(like) ? texts : texts[0];
  }
  const members = wire.pairs
    .map((pair) => readPair(pair, wire.decode))
    .filter(([member]) => member in like);
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

function readList(
  parts: readonly string[],
  like: JsonValue,
  decode: (text: string) => string,
): Text {
  const texts = parts.map(decode);
  if (Array.isArray(like)) return texts;
  if (!isJsonObject(like)) return texts.join(",");
  const members = texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1] ?? ""]] : []));
  return Object.fromEntries(members) as Text;
}

/** `name[a][b]=x` */
function readDeep(name: string, wire: Wire): Text | undefined {
  const found: Record<string, unknown> = {};
  for (const pair of wire.pairs) {
    const [key, text] = readPair(pair, wire.decode);
    if (!key.startsWith(`${name}[`)) continue;
    const steps = key.slice(name.length + 1, -1).split("][");
    const last = steps.pop() ?? "";
    let holder = found;
    for (const step of steps) holder = (holder[step] ??= {}) as Record<string, unknown>;
    const before = holder[last];
    holder[last] = before === undefined ? text : [before, text].flat();
  }
  return Object.keys(found).length === 0 ? undefined : (found as Text);
}

function readPair(pair: string, decode: (text: string) => string): readonly [string, string] {
  const [name = "", text = ""] = pair.split(/=(.*)/s);
  return [decode(name), decode(text)];
}

/** Still encoded, because the delimiters inside are not. */
function valuesOf(name: string, { pairs, decode }: Wire): string[] {
  return pairs
    .map((pair) => pair.split(/=(.*)/s))
    .filter(([key = ""]) => decode(key) === name)
    .map(([, text = ""]) => text);
}
