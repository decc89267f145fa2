import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { schemaData, schemaMaps } from "./checked-schema.ts";
import { unescapePointer } from "./definitions.ts";

/** Of one tool's schema as JSON; no model reads more, and clients refuse it. */
export const maxSchemaBytes = 262_144;
export const maxSubschemas = 10_000;
/** JSON of fewer characters has neither as many bytes nor as many parts: `{},` and a name each. */
export const suspectLength = 60_000;
const maxNestedDescription = 120;

export interface Fitted {
  readonly schema: JsonSchema;
  /** What had to go, in words; undefined when everything stayed. */
  readonly lost: string | undefined;
}

/**
 * A schema within the bounds, by giving up what a caller misses least first: examples, then long
 * descriptions below the top level, then what lies many references deep.
 *
 * @returns undefined when even that is not enough.
 */
export function fitSchema(schema: JsonSchema): Fitted | undefined {
  if (fits(schema)) return { schema, lost: undefined };
  const plain = rewrite(schema, withoutExamples, 0);
  const short = rewrite(plain, withShortDescription, 0);
  const steps = [
    { schema: plain, lost: "examples" },
    { schema: short, lost: "examples and long descriptions" },
  ];
  const enough = steps.find((step) => fits(step.schema));
  if (enough !== undefined) return enough;
  const levels = levelsOf(short);
  for (let level = Math.max(0, ...levels.values()); level >= 0; level--) {
    const cut = cutBelow(short, levels, level);
    if (fits(cut)) return { schema: cut, lost: `details ${level + 1} references deep` };
  }
  return undefined;
}

function fits(schema: JsonSchema): boolean {
  const json = JSON.stringify(schema);
  return Buffer.byteLength(json) <= maxSchemaBytes && countSchemas(schema) <= maxSubschemas;
}

function countSchemas(schema: JsonSchema): number {
  let count = 0;
  rewrite(
    schema,
    (own) => {
      count++;
      return own;
    },
    0,
  );
  return count;
}

type Change = (own: JsonObject, depth: number) => JsonObject;

/** Every schema below and including `schema`, outermost first. */
function rewrite(schema: JsonSchema, change: Change, depth: number): JsonSchema {
  const inner = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return (value as readonly JsonValue[]).map(inner);
    return isJsonObject(value) ? rewrite(value, change, depth + 1) : value;
  };
  const entries = Object.entries(change(schema, depth)).map(([key, value]) => {
    if (schemaData.has(key)) return [key, value] as const;
    if (!schemaMaps.has(key) || !isJsonObject(value)) return [key, inner(value)] as const;
    const map = Object.entries(value).map(([name, member]) => [name, inner(member)] as const);
    return [key, Object.fromEntries(map)] as const;
  });
  return Object.fromEntries(entries);
}

function withoutExamples({ examples: _examples, ...rest }: JsonObject): JsonObject {
  return rest;
}

/** The arguments themselves, one level down, keep their words. */
function withShortDescription(own: JsonObject, depth: number): JsonObject {
  const { description } = own;
  if (depth < 2 || typeof description !== "string" || description.length <= maxNestedDescription)
    return own;
  return { ...own, description: `${description.slice(0, maxNestedDescription - 1)}…` };
}

/** How many references lead from an argument to each definition. */
function levelsOf(schema: JsonSchema): ReadonlyMap<string, number> {
  const definitions = definitionsOf(schema);
  const levels = new Map<string, number>();
  const { $defs: _definitions, ...arguments_ } = schema;
  let current = [...referencesOf(arguments_)];
  for (let level = 0; current.length > 0; level++) {
    const next = new Set<string>();
    for (const name of current) {
      if (levels.has(name)) continue;
      levels.set(name, level);
      for (const inner of referencesOf(definitions[name] ?? {})) next.add(inner);
    }
    current = [...next];
  }
  return levels;
}

function referencesOf(schema: JsonValue): ReadonlySet<string> {
  const found = new Set<string>();
  if (!isJsonObject(schema)) return found;
  rewrite(
    schema,
    (own) => {
      const ref = own["$ref"];
      if (typeof ref === "string") found.add(unescapePointer(ref.slice("#/$defs/".length)));
      return own;
    },
    0,
  );
  return found;
}

function definitionsOf(schema: JsonSchema): JsonObject {
  return isJsonObject(schema["$defs"]) ? schema["$defs"] : {};
}

/** Definitions at `level` become their type; what only they led to is gone. */
function cutBelow(
  schema: JsonSchema,
  levels: ReadonlyMap<string, number>,
  level: number,
): JsonSchema {
  const kept = Object.entries(definitionsOf(schema)).flatMap(([name, definition]) => {
    const own = levels.get(name) ?? 0;
    if (own > level) return [];
    return [[name, own === level ? stubOf(definition) : definition] as const];
  });
  return { ...schema, $defs: Object.fromEntries(kept) };
}

function stubOf(definition: JsonValue): JsonObject {
  const { type, title, description }: JsonObject = isJsonObject(definition) ? definition : {};
  const words = [title, description].find((text) => typeof text === "string");
  return {
    ...(type === undefined ? {} : { type }),
    description: `${typeof words === "string" ? `${words} ` : ""}(The details are too long to show.)`,
  };
}
