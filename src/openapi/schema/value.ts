import type { JsonValue } from "../../base/json.ts";
import { isJsonObject } from "../../base/json.ts";
import type { Warn } from "../document/finding.ts";
import { child, type Node } from "../document/node.ts";
import { cleanText } from "../text.ts";
import type { Draft } from "./conversion.ts";

export interface Values {
  readonly node: Node;
  readonly out: Draft;
  readonly warn: Warn;
}

const types = new Set(["string", "number", "integer", "boolean", "array", "object", "null"]);

/** `type` as one name when there is one, and `default`. Names JSON Schema does not know are left out. */
export function fitType({ node, out, warn }: Values): void {
  const fallback = child(node, "default");
  if (fallback !== undefined) out["default"] = fallback.value;
  const type = child(node, "type");
  if (type === undefined) return;
  if (type.value === "file") {
    Object.assign(out, { type: "string", format: "binary" });
    return;
  }
  const written = [type.value].flat();
  const known = [...new Set(written)].filter((name) => types.has(name as string));
  if (known.length > 0) out["type"] = known.length === 1 ? (known[0] as JsonValue) : known;
  if (known.length < new Set(written).size || known.length === 0) {
    const message = `"type" names a type that JSON Schema does not know; it is left out`;
    warn({ code: "bad_keyword", message, at: node.at });
  }
}

/** `enum` without repetitions, which some validators refuse; YAML's `no: 1` texts become texts. */
export function fitEnum({ node, out, warn }: Values): void {
  const constant = child(node, "const");
  if (constant !== undefined) out["const"] = constant.value;
  const written = out["enum"] ?? child(node, "enum")?.value;
  if (written === undefined) return;
  if (!Array.isArray(written) || written.length === 0) {
    const message = `"enum" is not a list of values; it is left out`;
    warn({ code: "bad_keyword", message, at: node.at });
    return;
  }
  const values = isTextOnly(out["type"]) ? written.map(textOf) : written;
  if (values.some((value, i) => value !== written[i])) {
    const message = `"enum" of a string holds values that are not strings; they are read as text`;
    warn({ code: "enum_not_text", message, at: node.at });
  }
  const unique = new Map(values.map((value) => [JSON.stringify(value), value as JsonValue]));
  out["enum"] = [...unique.values()];
}

function isTextOnly(type: JsonValue | undefined): boolean {
  const names = [type].flat();
  return names.includes("string") && names.every((name) => name === "string" || name === "null");
}

function textOf(value: JsonValue): JsonValue {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : value;
}

/** Clients compile patterns in Unicode mode; what does not compile there is told in words. */
export function fitPattern({ node, out, warn }: Values): void {
  const pattern = child(node, "pattern")?.value;
  if (pattern === undefined) return;
  if (typeof pattern === "string" && compiles(pattern)) {
    out["pattern"] = pattern;
    return;
  }
  const message = `"pattern" does not compile in ECMAScript's Unicode mode; it is told in the description only`;
  warn({ code: "bad_pattern", message, at: node.at });
  if (typeof pattern !== "string") return;
  const told = `Pattern: ${cleanText(pattern).slice(0, 200)}`;
  const description = out["description"];
  out["description"] = typeof description === "string" ? `${description}\n${told}` : told;
}

function compiles(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

const maxExamples = 2;
const maxExampleLength = 200;

/**
 * At most two short examples: a schema's `examples` and `example`, or those of a parameter or media
 * type, which come in an object by name (3.2: `dataValue` before `value`). Nothing is fetched.
 */
export function examplesOf(node: Node): readonly JsonValue[] {
  const many = child(node, "examples")?.value;
  const one = child(node, "example");
  const written: JsonValue[] = one === undefined ? [] : [one.value];
  if (Array.isArray(many)) written.push(...(many.slice(0, 10) as readonly JsonValue[]));
  else if (isJsonObject(many)) {
    for (const example of Object.values(many).slice(0, 10)) {
      if (!isJsonObject(example)) continue;
      const value = example["dataValue"] ?? example["value"];
      if (value !== undefined) written.push(value);
    }
  }
  const short = new Map<string, JsonValue>();
  for (const value of written) {
    const text = JSON.stringify(value);
    if (text.length <= maxExampleLength) short.set(text, cleanValue(value));
  }
  return [...short.values()].slice(0, maxExamples);
}

/** Values bounded in length, and so in depth. */
function cleanValue(value: JsonValue): JsonValue {
  if (typeof value === "string") return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanValue);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [cleanText(key), cleanValue(inner)]),
  );
}
