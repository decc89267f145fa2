import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { kindOf, type MediaKind, mediaTypeOf } from "./media.ts";
import { fail, followOrFail, type Reading } from "./model.ts";
import { child, children, isTrue, type Node, textOf } from "./node.ts";
import type { Body } from "./operation.ts";
import { flattenRoot, needsFlattening } from "./schema/merge.ts";
import { examplesOf } from "./schema/value.ts";
import { cleanText } from "./text.ts";

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
  const description = cleanText(textOf(requestBody, "description") ?? "");
  const choices = children(child(requestBody, "content"))
    .map(([contentType, node]) => ({ contentType, node, mediaType: mediaTypeOf(contentType) }))
    .map((choice) => ({ ...choice, ...kindOf(choice.mediaType) }));
  const usable = choices
    .filter(({ kind }) => kind !== "unsupported")
    .toSorted((a, b) => a.rank - b.rank);
  const bodyRequired = isTrue(requestBody, "required");
  if (usable.length === 0 && choices.length > 0) {
    const message = "none of the body's media types can be sent";
    if (bodyRequired) fail("unsupported_media_type", message, requestBody);
    reading.warn({ code: "unsupported_media_type", message, at: requestBody.at });
  }
  const bodies = usable.map(({ contentType, mediaType, kind, node }): Body => {
    const media = followOrFail(node, reading);
    const encoding = child(media, "encoding")?.value;
    const isRange = mediaType.includes("*");
    return {
      mediaType: isRange ? "application/json" : mediaType,
      contentType: isRange ? "application/json" : contentType.trim(),
      schema: schemaFor(kind, media, reading),
      description,
      encoding: isJsonObject(encoding) ? encoding : {},
    };
  });
  return { bodies, bodyRequired: bodyRequired && bodies.length > 0 };
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

function schemaFor(kind: MediaKind, media: Node, reading: Reading): JsonSchema {
  switch (kind) {
    case "text":
      return { type: "string" };
    case "xml":
      return { type: "string", description: "XML document" };
    case "binary":
      return fileSchema;
    case "lines":
      return linesSchema(media, reading);
    case "multipart":
      return withFiles(rootSchema(media, reading));
    case "json":
    case "form":
    case "unsupported":
      return rootSchema(media, reading);
  }
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

/** Properties that hold bytes become files, alone or in a list. */
function withFiles(schema: JsonSchema): JsonSchema {
  const { properties } = schema;
  if (!isJsonObject(properties)) return schema;
  const shaped = Object.entries(properties).map(([name, property]) => [name, fileOr(property)]);
  return { ...schema, properties: Object.fromEntries(shaped) as JsonObject };
}

function fileOr(property: JsonValue): JsonValue {
  if (!isJsonObject(property)) return property;
  const { type, format, items, contentMediaType, contentEncoding, description } = property;
  const isBinary =
    Object.keys(property).length === 0 ||
    (type === "string" && format === "binary") ||
    (type === undefined && contentMediaType !== undefined && contentEncoding === undefined);
  if (isBinary) return description === undefined ? fileSchema : { ...fileSchema, description };
  return type === "array" && isJsonObject(items) && items["format"] === "binary"
    ? { ...property, items: fileSchema }
    : property;
}
