import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "../../base/json.ts";
import type { FieldEncoding, Positions } from "../../openapi/operation/operation.ts";
import { contentText } from "./content.ts";
import { chooseType, readFile, refuse } from "./file.ts";
import type { Fields } from "./form.ts";
import { compilePairs, rawDelimiters, spell, type DeepLists } from "./style.ts";

/** A body whose Content-Type is known only with it. */
export interface Encoded {
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

interface Part {
  /** Undefined: the place says what it is. */
  readonly name: string | undefined;
  readonly filename: string | undefined;
  readonly contentType: string;
  readonly headers: FieldEncoding["headers"];
  readonly body: Buffer;
}

type Write = (value: JsonValue) => readonly Part[];

/**
 * `multipart/form-data` (RFC 7578): one part per property, one per item of a list. Texts have no
 * file name, because servers tell fields and files apart by it.
 *
 * @param argument Name of the whole body, for messages.
 */
export function compileMultipart(
  argument: string,
  fields: Fields,
  lists: DeepLists,
): (value: JsonObject) => Encoded {
  const writers = new Map<string, Write>();
  for (const [name, field] of fields) writers.set(name, compileField(argument, name, field, lists));
  return (value) => {
    const parts = Object.entries(value).flatMap(([name, member]) => {
      const write = writers.get(name) ?? eachItem((item) => typedPart(name, item, undefined));
      return write(member);
    });
    return joinParts(parts, "multipart/form-data");
  };
}

function compileField(
  argument: string,
  name: string,
  field: FieldEncoding,
  lists: DeepLists,
): Write {
  const { headers } = field;
  if (field.isFile) {
    return eachItem((item, place) => ({
      ...filePart(`${argument}.${name}${place}`, name, item, field.contentType),
      headers,
    }));
  }
  if (field.style === undefined) {
    return eachItem((item) => ({ ...typedPart(name, item, field.contentType), headers }));
  }
  const encode = (text: string): string => text;
  const shape = { ...field.style, name, encode, encodeKey: encode, delimiters: rawDelimiters };
  const pairs = compilePairs(shape, lists);
  return (value) =>
    pairs(value).map(([key, text]) => ({ ...typedPart(key, text, undefined), headers }));
}

function eachItem(write: (item: JsonValue, place: string) => Part): Write {
  return (value) => {
    if (value === null) return [];
    if (!Array.isArray(value)) return [write(value, "")];
    return (value as readonly JsonValue[]).flatMap((item, i) =>
      item === null ? [] : [write(item, `[${i}]`)],
    );
  };
}

/**
 * Any other multipart type (RFC 2046 §5.1): one part per item, in their order, without names.
 *
 * @param argument Name of the whole body, for messages.
 */
export function compileParts(
  argument: string,
  contentType: string,
  { prefix, rest }: Positions,
): (value: JsonValue) => Encoded {
  return (value) => {
    if (!Array.isArray(value)) throw refuse(`${argument} must be a list`);
    const parts = (value as readonly JsonValue[]).map((item, i): Part => {
      const { contentType: type, headers, isFile } = prefix[i] ?? rest;
      if (isFile) return { ...filePart(`${argument}[${i}]`, undefined, item, type), headers };
      return { ...typedPart(undefined, item, type), headers };
    });
    return joinParts(parts, contentType);
  };
}

function filePart(
  argument: string,
  name: string | undefined,
  value: JsonValue,
  declared: string | undefined,
): Part {
  const { bytes, filename = name, mimeType } = readFile(argument, value);
  const allowed = declared === undefined ? mimeType : chooseType(declared, mimeType);
  const contentType = allowed ?? mimeType ?? "application/octet-stream";
  return { name, filename, contentType, headers: [], body: bytes };
}

function typedPart(name: string | undefined, value: JsonValue, declared: string | undefined): Part {
  const isObject = typeof value === "object";
  const own = isObject ? "application/json" : "text/plain";
  const contentType = declared === undefined ? own : (chooseType(declared, undefined) ?? own);
  const text = declared === undefined ? spell(value) : contentText(value, contentType);
  // What a part says nothing about is read as ASCII or Latin-1 by some servers.
  // oxlint-disable-next-line no-control-regex -- ASCII begins with control characters
  const isAscii = /^[\u0000-\u007f]*$/.test(text);
  const labelled =
    contentType === "text/plain" && !isAscii ? "text/plain; charset=utf-8" : contentType;
  return { name, filename: undefined, contentType: labelled, headers: [], body: Buffer.from(text) };
}

function joinParts(parts: readonly Part[], contentType: string): Encoded {
  const written = parts.map((part) => Buffer.concat([Buffer.from(headOf(part)), part.body]));
  const boundary = boundaryFor(written);
  const delimiter = `--${boundary}\r\n`;
  const body = written.flatMap((part) => [Buffer.from(delimiter), part, Buffer.from("\r\n")]);
  return {
    contentType: `${contentType}; boundary=${boundary}`,
    body: Buffer.concat([...body, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

/**
 * Made of the parts themselves, so that the same call has the same bytes; nobody can write a part
 * that contains a digest of itself. Checked all the same.
 */
function boundaryFor(parts: readonly Buffer[]): string {
  for (let round = 0; ; round++) {
    const hash = createHash("sha256").update(String(round));
    for (const part of parts) hash.update(`${part.length}:`).update(part);
    const boundary = `tollgate-${hash.digest("hex").slice(0, 40)}`;
    if (!parts.some((part) => part.includes(boundary))) return boundary;
  }
}

function headOf({ name, filename, contentType, headers }: Part): string {
  const file = filename === undefined ? "" : `; filename="${quote(filename)}"`;
  const more = headers.map(([header, value]) => `${header}: ${value}\r\n`).join("");
  const own = name === undefined ? "attachment" : `form-data; name="${quote(name)}"`;
  const isSaid = name !== undefined || filename !== undefined;
  const disposition = isSaid ? `Content-Disposition: ${own}${file}\r\n` : "";
  return `${disposition}Content-Type: ${contentType}\r\n${more}\r\n`;
}

/** As browsers do (HTML, "multipart form data"): what would end the quoted text is percent-encoded. */
function quote(text: string): string {
  // oxlint-disable-next-line no-control-regex -- a line break would start another header
  return text.replace(/["\u0000-\u001f\u007f]/g, (char) => {
    const code = char.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, "0")}`;
  });
}
