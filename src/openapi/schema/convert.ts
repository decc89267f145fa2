import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import { child, children, isTrue, type Node } from "../document/node.ts";
import { cleanDescription } from "../text.ts";
import type { Around, Conversion, Draft, Scope } from "./conversion.ts";
import { discriminate } from "./discriminator.ts";
import { type Applicator, applicators, plainKeywords, uniqueNames } from "./keyword.ts";
import { allowNull } from "./nullable.ts";
import { hiddenNames, isHidden } from "./read-only.ts";
import { checkDialect, pointTo } from "./refer.ts";
import { examplesOf, fitEnum, fitPattern, fitType } from "./value.ts";

const maxSchemaDepth = 64;

/** One schema of any version as JSON Schema 2020-12 whose references are all `#/$defs/NAME`. */
export function convertSchema(node: Node, conversion: Conversion, base = false): JsonSchema {
  const scope = { depth: 0, chain: [], inAllOf: false, own: node.at, hidden: new Set<string>() };
  const root =
    base && isJsonObject(node.value) ? { ...node, value: withoutChoice(node.value) } : node;
  const schema = convert(root, conversion, startChain(root, conversion, scope));
  return objectOf(schema);
}

function withoutChoice(value: JsonObject): JsonObject {
  const { oneOf: _oneOf, anyOf: _anyOf, discriminator: _discriminator, ...rest } = value;
  return rest;
}

/** A new instance begins here: a property's value, an item, the root. */
function startChain(node: Node, conversion: Conversion, scope: Scope): Scope {
  const hidden = hiddenNames(node, conversion.references, conversion.hides);
  return { ...scope, chain: [], inAllOf: false, hidden };
}

/** @returns A schema object, or a boolean schema for the keyword around it to deal with. */
function convert(node: Node, conversion: Conversion, outer: Scope): JsonObject | boolean {
  const { value } = node;
  if (typeof value === "boolean") return value;
  if (!isJsonObject(value)) {
    if (value !== null) warn(conversion, node, "bad_schema", "a schema is not an object");
    return {};
  }
  const isTooLarge = conversion.budget.left-- <= 0;
  if (isTooLarge || outer.depth >= maxSchemaDepth) {
    // Said once: everything after it is cut as well.
    if (conversion.budget.left < -1) return {};
    const message = `a schema is too large or nested deeper than ${maxSchemaDepth} levels; the rest accepts anything`;
    warn(conversion, node, "schema_too_large", message);
    return {};
  }
  const scope = { ...outer, depth: outer.depth + 1, chain: [...outer.chain, node] };
  checkDialect(node, conversion);
  const ref = child(node, "$ref") ?? child(node, "$dynamicRef") ?? child(node, "$recursiveRef");
  if (typeof ref?.value !== "string") return convertKeywords(node, conversion, scope);
  const keyword = ref.at.at(-1);
  if (keyword === "$dynamicRef") {
    const message = `"$dynamicRef" is read as "$ref": what a schema around it redefines is not seen`;
    warn(conversion, node, "dynamic_ref", message);
  }
  return convertReference(node, ref.value, { conversion, scope });
}

function convertReference(node: Node, ref: string, { conversion, scope }: Around): JsonObject {
  const $ref = pointTo(ref, node, { conversion, scope });
  if (!conversion.dialectAt(node.at).refSiblings) return { ...$ref, ...describe(node) };
  const {
    $ref: _ref,
    $dynamicRef: _dynamicRef,
    $recursiveRef: _recursiveRef,
    ...rest
  } = node.value as JsonObject;
  // Most stand alone.
  if (Object.keys(rest).length === 0) return $ref;
  const siblings = convertKeywords({ ...node, value: rest }, conversion, scope);
  return { ...$ref, ...siblings };
}

/** All keywords except references, in the document's order. */
function convertKeywords(node: Node, conversion: Conversion, scope: Scope): JsonObject {
  const out: Draft = {};
  for (const [keyword, value] of children(node)) {
    const check = plainKeywords.get(keyword);
    const applicator = applicators.get(keyword);
    if (check !== undefined) copyPlain(out, value, { check, conversion });
    else if (applicator !== undefined) apply(out, value, { applicator, conversion, scope });
  }
  Object.assign(out, describe(node));
  const values = { node, out, warn: conversion.warn };
  fitType(values);
  fitProperties(out, node, { conversion, scope });
  fitArrays(out, node, { conversion, scope });
  fitDependencies(out, node, { conversion, scope });
  hideRequired(out, scope);
  fitBounds(out, node);
  fitEnum(values);
  const { nullable } = conversion.dialectAt(node.at);
  if (nullable !== undefined && isTrue(node, nullable)) allowNull(out);
  fitPattern(values);
  const examples = examplesOf(node);
  if (examples.length > 0) out["examples"] = examples;
  discriminate(out, node, conversion);
  const anchor = child(node, "$anchor")?.value;
  if (typeof anchor === "string" && mayKeep(anchor, conversion)) out["$anchor"] = anchor;
  return out;
}

function mayKeep(anchor: string, { keepAnchors, survey }: Conversion): boolean {
  return keepAnchors && /^[A-Za-z_][\w.-]*$/.test(anchor) && !survey.repeatedAnchors.has(anchor);
}

function describe(node: Node): Draft {
  const out: Draft = {};
  for (const keyword of ["title", "description"]) {
    const text = child(node, keyword)?.value;
    if (typeof text === "string" && text !== "") out[keyword] = cleanDescription(text);
  }
  return out;
}

function copyPlain(
  out: Draft,
  value: Node,
  {
    check,
    conversion,
  }: { check: (value: JsonValue) => JsonValue | undefined; conversion: Conversion },
): void {
  const keyword = value.at.at(-1) ?? "";
  const copied = check(value.value);
  if (copied !== undefined) out[keyword] = copied;
  // The boolean form of these two is legal before 3.1 and read by fitBounds.
  else if (!(keyword.startsWith("exclusiveM") && typeof value.value === "boolean"))
    dropKeyword(conversion, value);
}

function dropKeyword(conversion: Conversion, keyword: Node): void {
  const message = `"${keyword.at.at(-1) ?? ""}" has a value that JSON Schema does not allow; it is left out`;
  warn(conversion, keyword, "bad_keyword", message);
}

function apply(
  out: Draft,
  value: Node,
  { applicator, conversion, scope }: Around & { readonly applicator: Applicator },
): void {
  const keyword = value.at.at(-1) ?? "";
  const inner = (schema: Node): JsonObject | boolean =>
    convert(
      schema,
      conversion,
      applicator.inPlace
        ? { ...scope, inAllOf: keyword === "allOf" }
        : startChain(schema, conversion, scope),
    );
  const settle = (schema: JsonObject | boolean): JsonValue =>
    schema === false && applicator.mayBeFalse ? false : objectOf(schema);
  if (applicator.holds === "schema") {
    const schema = inner(value);
    // `additionalProperties: true` says something to a reader, so it stays.
    out[keyword] = schema === true && applicator.mayBeFalse ? true : settle(schema);
  } else if (applicator.holds === "list" && Array.isArray(value.value)) {
    const schemas = children(value).map(([, branch]) => settle(inner(branch)));
    // An empty list is not a legal one.
    if (schemas.length > 0) out[keyword] = schemas;
  } else if (applicator.holds === "map" && isJsonObject(value.value)) {
    out[keyword] = Object.fromEntries(
      children(value).map(([name, schema]) => [name, settle(inner(schema))]),
    );
  } else dropKeyword(conversion, value);
}

/** `properties` without what the caller may not send, and without what no value satisfies. */
function fitProperties(out: Draft, node: Node, { conversion, scope }: Around): void {
  const properties = child(node, "properties");
  if (properties === undefined) return;
  if (!isJsonObject(properties.value)) return dropKeyword(conversion, properties);
  const kept: [string, JsonValue][] = [];
  for (const [name, property] of children(properties)) {
    if (property.value === false || isHidden(property, conversion.references, conversion.hides)) continue;
    if (isTrue(property, "readOnly")) {
      const message = `"${escapeText(name, 64)}" is both readOnly and writeOnly; it is kept`;
      warn(conversion, property, "read_and_write_only", message);
    }
    const schema = convert(property, conversion, startChain(property, conversion, scope));
    kept.push([name, objectOf(schema)]);
  }
  out["properties"] = Object.fromEntries(kept);
}

function hideRequired(out: Draft, { hidden }: Scope): void {
  const required = out["required"];
  if (!Array.isArray(required)) return;
  const kept = required.filter((name) => !hidden.has(String(name)));
  if (kept.length > 0) out["required"] = kept;
  else delete out["required"];
}

/** Draft-04 tuples become `prefixItems`; an array says what its items are, if only "anything". */
function fitArrays(out: Draft, node: Node, { conversion, scope }: Around): void {
  const item = (schema: Node): JsonObject | boolean =>
    convert(schema, conversion, startChain(schema, conversion, scope));
  const items = child(node, "items");
  if (items !== undefined && Array.isArray(items.value)) {
    const prefix = children(items).map(([, schema]) => objectOf(item(schema)));
    if (prefix.length > 0) out["prefixItems"] = prefix;
    const rest = child(node, "additionalItems");
    if (rest !== undefined) out["items"] = item(rest);
  } else if (items !== undefined) {
    const schema = item(items);
    out["items"] = schema === true ? {} : schema;
  }
  const types = [out["type"]].flat();
  if (types.includes("array") && out["items"] === undefined && out["prefixItems"] === undefined)
    out["items"] = {};
}

function objectOf(schema: JsonObject | boolean): JsonObject {
  if (typeof schema !== "boolean") return schema;
  return schema ? {} : { not: {} };
}

/** `dependencies` (draft-07 and older) holds lists of names and schemas side by side. */
function fitDependencies(out: Draft, node: Node, { conversion, scope }: Around): void {
  const names: [string, JsonValue][] = [];
  const schemas: [string, JsonValue][] = [];
  for (const [name, dependency] of children(child(node, "dependencies"))) {
    const list = uniqueNames(dependency.value);
    if (list !== undefined) names.push([name, list]);
    else if (Array.isArray(dependency.value)) dropKeyword(conversion, dependency);
    else
      schemas.push([name, objectOf(convert(dependency, conversion, { ...scope, inAllOf: false }))]);
  }
  for (const [keyword, entries] of [
    ["dependentRequired", names],
    ["dependentSchemas", schemas],
  ] as const) {
    const own = out[keyword];
    if (entries.length > 0)
      out[keyword] = { ...Object.fromEntries(entries), ...(isJsonObject(own) ? own : {}) };
  }
  const definitions = child(node, "definitions");
  const nested = children(definitions).map(([name, schema]) => [
    name,
    objectOf(convert(schema, conversion, startChain(schema, conversion, scope))),
  ]);
  if (nested.length > 0) out["$defs"] = Object.fromEntries(nested) as JsonObject;
}

/** Until 3.0 `exclusiveMaximum: true` changes the meaning of `maximum`. */
function fitBounds(out: Draft, node: Node): void {
  for (const side of ["Maximum", "Minimum"]) {
    const bound = side.toLowerCase();
    if (!isTrue(node, `exclusive${side}`) || out[bound] === undefined) continue;
    out[`exclusive${side}`] = out[bound];
    delete out[bound];
  }
}

function warn(conversion: Conversion, node: Node, code: string, message: string): void {
  conversion.warn({ code, message, at: node.at });
}
