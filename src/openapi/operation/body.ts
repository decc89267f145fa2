import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";
import { readFields } from "./field.ts";
import { kindOf, type MediaKind, mediaTypeOf } from "./media.ts";
import { fail, followOrFail, type Reading } from "./model.ts";
import { child, children, isTrue, type Node, textOf } from "../document/node.ts";
import type { Body } from "./operation.ts";
import { isListOfParts, readPositions } from "./positions.ts";
import { flattenRoot, needsFlattening } from "../schema/merge.ts";
import { examplesOf } from "../schema/value.ts";
import { cleanDescription } from "../text.ts";

export interface Bodies {
  readonly bodies: readonly Body[];
  readonly bodyRequired: boolean;
}

export const noBody: Bodies = { bodies: [], bodyRequired: false };

/**
 * The media types of a request body, preferred ones first.
 *
 * @param requestBody References followed, in the form of 3.x.
 * @throws Unconvertible The body is required and none of its media types can be sent.
 */
export function readBodies(requestBody: Node, reading: Reading): Bodies {
  const description = cleanDescription(textOf(requestBody, "description") ?? "");
  const choices = children(child(requestBody, "content")).map(([contentType, node]) =>
    choiceOf(contentType, node, reading),
  );
  const usable = choices
    .filter(({ kind }) => kind !== "unsupported")
    .toSorted((a, b) => a.rank - b.rank);
  const bodyRequired = isTrue(requestBody, "required");
  if (usable.length === 0 && choices.length > 0) {
    const message = "none of the body's media types can be sent";
    if (bodyRequired) fail("unsupported_media_type", message, requestBody);
    reading.warn({ code: "unsupported_media_type", message, at: requestBody.at });
  }
  const bodies = usable.map((choice): Body => {
    const { mediaType, contentType } = choice;
    return { mediaType, contentType, description, ...contentOf(choice, reading) };
  });
  return { bodies, bodyRequired: bodyRequired && bodies.length > 0 };
}

interface Choice {
  readonly mediaType: string;
  readonly contentType: string;
  readonly kind: MediaKind;
  readonly rank: number;
  readonly node: Node;
}

/** A range stands for its commonest member; what a file is, only its sender knows. */
function choiceOf(declared: string, node: Node, reading: Reading): Choice {
  const range = mediaTypeOf(declared);
  const contentType = concrete(range, node) ?? declared.trim();
  const mediaType = mediaTypeOf(contentType);
  const choice = { mediaType, contentType, node, ...kindOf(mediaType) };
  const isPositional = choice.kind === "unsupported" && isListOfParts(mediaType, node, reading);
  return isPositional ? { ...choice, kind: "positional" } : choice;
}

function concrete(mediaType: string, node: Node): string | undefined {
  if (mediaType === "text/*") return "text/plain";
  if (mediaType !== "*/*" && mediaType !== "application/*") return undefined;
  const schema = child(node, "schema");
  const isFile = schema === undefined || textOf(schema, "format") === "binary";
  return isFile ? "application/octet-stream" : "application/json";
}

/** A file as a model can write it: base64, decoded before it is sent. */
const fileSchema: JsonSchema = {
  type: "object",
  properties: {
    data: { type: "string", contentEncoding: "base64", description: "The content, in base64." },
    filename: { type: "string" },
    mimeType: { type: "string" },
  },
  required: ["data"],
};

type Content = Pick<Body, "schema" | "fields" | "positions">;

function contentOf({ kind, node }: Choice, reading: Reading): Content {
  const media = followOrFail(node, reading);
  switch (kind) {
    case "text":
      return plain({ type: "string" });
    case "xml":
      return plain({ type: "string", description: "XML document" });
    case "binary":
      return plain(fileSchema);
    case "lines":
      return plain(linesSchema(media, reading));
    case "positional":
      return positionalContent(media, reading);
    case "multipart":
    case "form":
      return formContent(kind, media, reading);
    case "json":
    case "unsupported":
      return plain(rootSchema(media, reading));
  }
}

/** Of nearly every body. */
const noFields: Content["fields"] = new Map();

function plain(schema: JsonSchema): Content {
  return { schema, fields: noFields, positions: undefined };
}

/** Its properties are looked at one by one, so a root that is a reference is followed. */
function formContent(kind: "form" | "multipart", media: Node, reading: Reading): Content {
  const { get } = reading.schemas.pool;
  const root = rootSchema(media, reading);
  const plainRoot = followSchema(root, get);
  const known = isJsonObject(plainRoot["properties"]) ? plainRoot["properties"] : {};
  const files = new Map<string, JsonSchema>();
  for (const [name, property] of Object.entries(known)) {
    const shaped = kind === "multipart" ? fileOr(property, get) : undefined;
    if (shaped !== undefined) files.set(name, shaped);
  }
  const fields = readFields(
    media,
    { kind, properties: known, files: new Set(files.keys()) },
    reading,
  );
  if (files.size === 0) return { schema: root, fields, positions: undefined };
  const properties = { ...known, ...Object.fromEntries(files) };
  const schema = { ...plainRoot, ...wordsOf(root), properties };
  return { schema, fields, positions: undefined };
}

type Get = (name: string) => JsonSchema | undefined;

/** Bounded, because references can go in circles. */
function followSchema(schema: JsonSchema, get: Get): JsonSchema {
  let current = schema;
  for (let hops = 0; hops < 16; hops++) {
    const ref = current["$ref"];
    if (typeof ref !== "string") return current;
    current = get(ref.slice("#/$defs/".length)) ?? {};
  }
  return {};
}

/** A body's schema with its root made a plain object where that changes nothing. */
function rootSchema(media: Node, reading: Reading): JsonSchema {
  const node = child(media, "schema");
  if (node === undefined) return {};
  const { inline, pool } = reading.schemas;
  const schema = inline(node, reading.warn);
  const ref = schema["$ref"];
  const named = typeof ref === "string" ? pool.get(ref.slice("#/$defs/".length)) : undefined;
  // A reference stays one unless what it leads to needs another form as a root.
  const root =
    named !== undefined && needsFlattening(named) ? { ...named, ...wordsOf(schema) } : schema;
  const flat = flattenRoot(root, pool.get);
  const examples = examplesOf(media);
  if (examples.length === 0 || flat["examples"] !== undefined) return flat;
  return { ...flat, examples };
}

function wordsOf({ $ref: _ref, ...words }: JsonObject): JsonObject {
  return words;
}

/** JSON values one per line: `itemSchema` of 3.2, else the items of an array schema. */
function linesSchema(media: Node, reading: Reading): JsonSchema {
  const item = child(media, "itemSchema");
  if (item !== undefined)
    return { type: "array", items: reading.schemas.inline(item, reading.warn) };
  const { items = {} } = rootSchema(media, reading);
  return { type: "array", items };
}

/** Parts by their places (OAS 3.2 §4.15.3): JSON, texts and files. */
function positionalContent(media: Node, reading: Reading): Content {
  const item = child(media, "itemSchema");
  const written =
    item === undefined
      ? followSchema(rootSchema(media, reading), reading.schemas.pool.get)
      : { type: "array", items: reading.schemas.inline(item, reading.warn) };
  const { prefixItems = [], items = {}, ...rest } = written;
  const schemas = Array.isArray(prefixItems) ? (prefixItems as readonly JsonValue[]) : [];
  const holdsFile = (schema: JsonValue): boolean =>
    isJsonObject(schema) && isBinary(followSchema(schema, reading.schemas.pool.get));
  const isFile = { prefix: schemas.map(holdsFile), rest: holdsFile(items) };
  const positions = readPositions(media, isFile, reading);
  const shaped = positions.prefix.map(({ isFile: file }, i) =>
    file ? fileSchema : (schemas[i] ?? items),
  );
  const schema: JsonSchema = {
    ...rest,
    type: "array",
    ...(shaped.length > 0 ? { prefixItems: shaped } : {}),
    items: positions.rest.isFile && items !== false ? fileSchema : items,
  };
  return { schema, fields: noFields, positions };
}

/** A property that holds bytes, alone or in a list, as a file; undefined when it holds none. */
function fileOr(property: JsonValue | undefined, get: Get): JsonSchema | undefined {
  if (!isJsonObject(property)) return undefined;
  const schema = followSchema(property, get);
  const { description } = { ...schema, ...property };
  const words = description === undefined ? {} : { description };
  if (isBinary(schema)) return { ...fileSchema, ...words };
  const { items } = schema;
  return isJsonObject(items) && isBinary(followSchema(items, get))
    ? { ...schema, ...words, items: fileSchema }
    : undefined;
}

const annotations = new Set(["description", "title", "examples", "deprecated", "default"]);

/** 2.0 and 3.0 say it by `format`, 3.1 by a media type, and all of them by saying nothing. */
function isBinary(schema: JsonValue): boolean {
  if (!isJsonObject(schema)) return false;
  const { type, format, contentMediaType, contentEncoding } = schema;
  if (Object.keys(schema).every((keyword) => annotations.has(keyword))) return true;
  const isText = type === "string" || (Array.isArray(type) && type.includes("string"));
  if (isText) return format === "binary";
  return type === undefined && contentMediaType !== undefined && contentEncoding === undefined;
}
