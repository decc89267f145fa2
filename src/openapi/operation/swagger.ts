import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { child, isTrue, member, type Node, textOf, textsOf } from "../document/node.ts";

/** What 2.0 writes on a parameter itself and 3.x inside its schema. */
const schemaKeywords = new Set([
  "type",
  "format",
  "items",
  "default",
  "enum",
  "pattern",
  "maximum",
  "minimum",
  "exclusiveMaximum",
  "exclusiveMinimum",
  "maxLength",
  "minLength",
  "maxItems",
  "minItems",
  "uniqueItems",
  "multipleOf",
  "x-nullable",
]);

const formTypes = new Set(["application/x-www-form-urlencoded", "multipart/form-data"]);

/**
 * What 2.0 writes among the parameters as 3.x has it: `in: body` and `in: formData` become a request
 * body. Every node keeps its place in the document.
 *
 * @param documents The operation's own, then the main one: what `consumes` falls back to.
 */
export function splitBody(
  written: readonly Node[],
  operation: Node,
  documents: readonly (Node | undefined)[],
): { readonly parameters: readonly Node[]; readonly requestBody: Node | undefined } {
  const inBody = written.find((node) => textOf(node, "in") === "body");
  const fields = written.filter((node) => textOf(node, "in") === "formData");
  const parameters = written.filter(
    (node) => !["body", "formData"].includes(textOf(node, "in") ?? ""),
  );
  const consumes = textsOf(nearest("consumes", [operation, ...documents]));
  const requestBody =
    inBody === undefined ? formBody(fields, operation, consumes) : plainBody(inBody, consumes);
  return { parameters, requestBody };
}

/** The first of these that has the member. */
export function nearest(key: string, holders: readonly (Node | undefined)[]): Node | undefined {
  const holder = holders.find((node) => node !== undefined && child(node, key) !== undefined);
  return holder && child(holder, key);
}

/** A parameter of 2.0 in the form of 3.x: its keywords in a schema, `collectionFormat` as a style. */
export function modernParameter(node: Node): Node {
  const where = textOf(node, "in") ?? "";
  const kept = Object.entries(node.value as JsonObject).filter(([key]) => !schemaKeywords.has(key));
  const value = { ...Object.fromEntries(kept), ...styleFor(node, where), schema: schemaOf(node) };
  return { at: node.at, value };
}

function schemaOf(node: Node): JsonObject {
  const entries = Object.entries(node.value as JsonObject);
  return Object.fromEntries(entries.filter(([key]) => schemaKeywords.has(key)));
}

/** `tsv` has no style in 3.x; `multi` exists in queries and forms only, else it means `csv`. */
const styles: Readonly<Record<string, string>> = {
  ssv: "spaceDelimited",
  tsv: "tabDelimited",
  pipes: "pipeDelimited",
};

function styleFor(node: Node, where: string): JsonObject {
  if (textOf(node, "type") !== "array") return {};
  const format = textOf(node, "collectionFormat") ?? "csv";
  const style = styles[format];
  const repeats = format === "multi" && (where === "query" || where === "formData");
  const inner = itemStylesOf(child(node, "items"));
  return {
    explode: repeats,
    ...(style === undefined ? (repeats ? { style: "form" } : {}) : { style }),
    ...(inner.length > 0 ? { itemStyles: inner } : {}),
  };
}

/** Lists inside a list, joined before it (2.0, Items Object). */
function itemStylesOf(items: Node | undefined): readonly string[] {
  if (items === undefined || textOf(items, "type") !== "array") return [];
  const style = styles[textOf(items, "collectionFormat") ?? "csv"] ?? "form";
  return [style, ...itemStylesOf(child(items, "items"))];
}

function plainBody(node: Node, consumes: readonly string[]): Node {
  const schema = member(node, "schema") ?? {};
  const types = consumes.filter((type) => !formTypes.has(type.toLowerCase()));
  const content = (types.length > 0 ? types : ["application/json"]).map((type) => [
    type,
    { schema },
  ]);
  return { at: node.at, value: bodyOf(node, content) };
}

function bodyOf(node: Node, content: readonly (readonly JsonValue[])[]): JsonObject {
  const description = textOf(node, "description");
  return {
    required: isTrue(node, "required"),
    ...(description === undefined ? {} : { description }),
    content: Object.fromEntries(content as [string, JsonValue][]),
  };
}

function formBody(
  fields: readonly Node[],
  operation: Node,
  consumes: readonly string[],
): Node | undefined {
  if (fields.length === 0) return undefined;
  const properties = fields.map((field): [string, JsonObject] => {
    const description = textOf(field, "description");
    const words = description === undefined ? {} : { description };
    return [textOf(field, "name") ?? "", { ...schemaOf(field), ...words }];
  });
  const required = fields
    .filter((field) => isTrue(field, "required"))
    .map((field) => textOf(field, "name") ?? "");
  const encoding = fields.flatMap((field): [string, JsonObject][] => {
    const style = styleFor(field, "formData");
    return isJsonObject(style) && Object.keys(style).length > 0
      ? [[textOf(field, "name") ?? "", { style: "form", ...style }]]
      : [];
  });
  const schema = {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length > 0 ? { required } : {}),
  };
  const media: JsonObject = { schema, encoding: Object.fromEntries(encoding) };
  const hasFile = fields.some((field) => textOf(field, "type") === "file");
  const declared = consumes.filter((type) => formTypes.has(type.toLowerCase()));
  const fallback = hasFile ? "multipart/form-data" : "application/x-www-form-urlencoded";
  // A file cannot travel in a URL-encoded form, whatever `consumes` says.
  const types = hasFile || declared.length === 0 ? [fallback] : declared;
  return {
    at: operation.at,
    value: {
      required: required.length > 0,
      content: Object.fromEntries(types.map((type) => [type, media])),
    },
  };
}
