import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { unescapePointer } from "./definitions.ts";

/**
 * A `tools/list` entry for hosts that take the Schema object of the Gemini API: no references, no
 * lists of types, and none of the keywords it does not know. What that cannot say is left out; the
 * arguments are checked against the whole schema all the same.
 */
export function toGemini(entry: string): string {
  const tool = JSON.parse(entry) as JsonObject & { readonly inputSchema: JsonSchema };
  const { inputSchema, outputSchema: _output, ...rest } = tool;
  const { $defs, ...root } = inputSchema;
  const definitions = isJsonObject($defs) ? $defs : {};
  const around: Around = { definitions, budget: { left: maxSchemas }, inside: [], depth: 0 };
  return JSON.stringify({ ...rest, inputSchema: simplify(root, around) });
}

/** What was a reference is written out as often as it is used. */
const maxSchemas = 1_000;
const maxReferences = 6;
/** Levels of schemas, however they come about. */
const maxDepth = 24;

interface Around {
  readonly definitions: JsonObject;
  readonly budget: { left: number };
  /** Names of the definitions that are being written out. */
  readonly inside: readonly string[];
  readonly depth: number;
}

/** Copied where they have a value. */
const kept = [
  "title",
  "description",
  "required",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "minLength",
  "maxLength",
  "pattern",
  "minimum",
  "maximum",
  "default",
] as const;

/** By type; of others the API refuses the whole request. */
const formats: Readonly<Record<string, readonly string[]>> = {
  string: ["date-time"],
  number: ["float", "double"],
  integer: ["int32", "int64"],
};

function simplify(schema: JsonValue, outer: Around): JsonObject {
  if (!isJsonObject(schema)) return {};
  const around = { ...outer, depth: outer.depth + 1 };
  if (around.budget.left-- <= 0 || around.depth > maxDepth) return leaveOut(schema);
  const { $ref } = schema;
  if (typeof $ref === "string") return writeOut($ref, schema, around);
  const whole = mergeAllOf(schema, around);
  const branches = branchesOf(whole);
  if (branches !== undefined) {
    const options = branches.map((branch) => simplify(branch, around));
    const { description } = whole;
    return { ...(description === undefined ? {} : { description }), anyOf: options };
  }
  return plain(whole, around);
}

function writeOut(ref: string, { $ref: _ref, ...beside }: JsonObject, around: Around): JsonObject {
  const name = unescapePointer(ref.slice("#/$defs/".length));
  const target = around.definitions[name];
  if (!isJsonObject(target)) return simplify(beside, around);
  const { inside } = around;
  if (inside.includes(name) || inside.length >= maxReferences)
    return leaveOut({ ...target, ...beside });
  return simplify({ ...target, ...beside }, { ...around, inside: [...inside, name] });
}

function leaveOut({ type, description }: JsonObject): JsonObject {
  const shown = typeof description === "string" ? `${description} ` : "";
  return {
    ...(typeof type === "string" ? { type } : {}),
    ...(type === "array" ? { items: {} } : {}),
    description: `${shown}(The details are left out.)`,
  };
}

/** Properties of all parts together; of any other keyword the first that has it. */
function mergeAllOf({ allOf, ...own }: JsonObject, around: Around, depth = 0): JsonObject {
  if (!Array.isArray(allOf) || depth >= maxReferences) return own;
  const inner = (allOf as readonly JsonValue[])
    .filter((part) => isJsonObject(part))
    .map((part) => follow(part, around, depth + 1));
  const parts = [own, ...inner];
  const objects = parts.flatMap(({ properties }): JsonObject[] =>
    isJsonObject(properties) ? [properties] : [],
  );
  const required = parts.flatMap((part) => part["required"] ?? []);
  return {
    ...firstOf(parts),
    ...(objects.length > 0 ? { properties: firstOf(objects) } : {}),
    ...(required.length > 0 ? { required: [...new Set(required)] as JsonValue } : {}),
  };
}

function firstOf(parts: readonly JsonObject[]): JsonObject {
  return Object.fromEntries(parts.toReversed().flatMap((part) => Object.entries(part)));
}

function follow(schema: JsonObject, around: Around, depth: number): JsonObject {
  let current = schema;
  for (let hops = 0; hops < maxReferences; hops++) {
    const { $ref } = current;
    if (typeof $ref !== "string") break;
    const target = around.definitions[unescapePointer($ref.slice("#/$defs/".length))];
    current = isJsonObject(target) ? target : {};
  }
  return mergeAllOf(current, around, depth);
}

/** The alternatives of a choice, each with what stands beside it, or of a list of types. */
function branchesOf(schema: JsonObject): readonly JsonObject[] | undefined {
  const { type, anyOf, oneOf, description: _description, ...rest } = schema;
  const choice = anyOf ?? oneOf;
  if (Array.isArray(choice)) {
    const beside = type === undefined || Array.isArray(type) ? rest : { ...rest, type };
    const branches = (choice as readonly JsonValue[]).filter((one) => isJsonObject(one));
    if (Object.keys(beside).length === 0) return branches;
    return branches.map((branch) => ({ allOf: [branch, beside] }));
  }
  if (!Array.isArray(type)) return undefined;
  return (type as readonly string[]).map((one) =>
    one === "null" ? { type: one } : { ...rest, type: one },
  );
}

function plain(schema: JsonObject, around: Around): JsonObject {
  const { type, format, properties, items } = schema;
  const out: Record<string, JsonValue> = {};
  if (typeof type === "string") out["type"] = type;
  for (const keyword of kept) if (schema[keyword] !== undefined) out[keyword] = schema[keyword];
  const known = typeof type === "string" ? formats[type] : undefined;
  if (typeof format === "string" && known?.includes(format)) out["format"] = format;
  addValues(out, schema);
  if (isJsonObject(properties)) {
    const members = Object.entries(properties).map(
      ([name, property]) => [name, simplify(property, around)] as const,
    );
    out["properties"] = Object.fromEntries(members);
    out["type"] ??= "object";
  }
  if (items !== undefined || type === "array") out["items"] = simplify(items ?? {}, around);
  return out;
}

/** Listed values are texts there; others are told in words. */
function addValues(out: Record<string, JsonValue>, schema: JsonObject): void {
  const values = "const" in schema ? [schema["const"] ?? null] : schema["enum"];
  if (!Array.isArray(values)) return;
  const texts = (values as readonly JsonValue[]).filter((value) => typeof value === "string");
  if (texts.length === values.length) {
    out["type"] = "string";
    out["enum"] = texts;
    return;
  }
  const told = `One of ${values
    .slice(0, 50)
    .map((value) => JSON.stringify(value))
    .join(", ")}.`;
  const { description } = out;
  out["description"] = typeof description === "string" ? `${description} ${told}` : told;
}
