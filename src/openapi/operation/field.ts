import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { refusedHeader } from "./header.ts";
import { followOrFail, type Reading } from "./model.ts";
import { child, children, member, type Node, textOf } from "../document/node.ts";
import type { FieldEncoding, Style, StyleEncoding } from "./operation.ts";

/** The properties of a form or multipart body. */
export interface Fields {
  readonly kind: "form" | "multipart";
  readonly properties: JsonObject;
  /** Names of those that hold files. */
  readonly files: ReadonlySet<string>;
}

/** What the Encoding Objects of a media type and the schema say about each property. */
export function readFields(
  media: Node,
  fields: Fields,
  reading: Reading,
): ReadonlyMap<string, FieldEncoding> {
  const encodings = new Map(children(child(media, "encoding")));
  const names = new Set([...Object.keys(fields.properties), ...encodings.keys()]);
  const read = new Map<string, FieldEncoding>();
  for (const name of names) {
    const node = encodings.get(name);
    const isFile = fields.files.has(name);
    const contentType = textOf(node, "contentType") ?? encodedType(fields, name);
    const style = node && styleOf(node, fields, reading);
    const headers = fields.kind === "multipart" && node ? headersOf(node, reading) : [];
    if (isFile || contentType !== undefined || style !== undefined || headers.length > 0)
      read.set(name, { contentType, style, headers, isFile });
  }
  return read;
}

/** A text that is encoded bytes goes as it is, labelled as what the bytes are. */
function encodedType({ kind, properties }: Fields, name: string): string | undefined {
  const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (kind !== "multipart" || !isJsonObject(property)) return undefined;
  const { contentEncoding, contentMediaType } = property;
  if (typeof contentEncoding !== "string") return undefined;
  return typeof contentMediaType === "string" ? contentMediaType : "application/octet-stream";
}

const formStyles: readonly Style[] = ["form", "spaceDelimited", "pipeDelimited", "deepObject"];

function styleOf(node: Node, { kind }: Fields, reading: Reading): StyleEncoding | undefined {
  const written = ["style", "explode", "allowReserved"].map((key) => member(node, key));
  if (written.every((value) => value === undefined)) return undefined;
  // 3.0 has them for URL-encoded forms only.
  if (kind === "multipart" && reading.dialectAt(node.at).name === "3.0") return undefined;
  const [name, explode, allowReserved] = written;
  const known =
    reading.dialectAt(node.at).name === "2.0"
      ? [...formStyles, "tabDelimited" as const]
      : formStyles;
  const style = known.find((one) => one === name) ?? "form";
  return {
    kind: "style",
    style,
    explode: typeof explode === "boolean" ? explode : style === "form",
    allowReserved: allowReserved === true,
    itemStyles: itemStylesOf(node, reading),
  };
}

/** Written by the conversion from 2.0 alone; a newer document cannot say it. */
export function itemStylesOf(node: Node, { dialectAt }: Reading): readonly Style[] {
  const styles = dialectAt(node.at).name === "2.0" ? member(node, "itemStyles") : undefined;
  return Array.isArray(styles) ? (styles as readonly Style[]) : [];
}

/** Only a header whose value the document fixes can be sent: nothing asks the model for one. */
export function headersOf(node: Node, reading: Reading): FieldEncoding["headers"] {
  return children(child(node, "headers")).flatMap(([name, written]) => {
    const schema = child(followOrFail(written, reading), "schema");
    const { const: fixed, default: fallback } = schema
      ? objectOf(followOrFail(schema, reading))
      : {};
    const value = fixed ?? fallback;
    const text = typeof value === "object" || value === undefined ? undefined : String(value);
    const own = /^content-(?:type|disposition)$/i.test(name) || refusedHeader(name) === "malformed";
    return own || text === undefined || !/^[ -~]*$/.test(text) ? [] : [[name, text] as const];
  });
}

function objectOf({ value }: Node): { readonly [key: string]: JsonValue | undefined } {
  return isJsonObject(value) ? value : {};
}
