import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { Operation } from "../openapi/operation/operation.ts";
import type { Check } from "./check.ts";
import { checkedSchema, schemaData, schemaMaps } from "./checked-schema.ts";
import { reachable } from "./definitions.ts";
import type { ArgIssue } from "./arg-issue.ts";

/** What a tool promises about its answer. */
export interface Output {
  readonly schema: JsonSchema;
  /** Clients of the 2025 era get every value of the tool as `{result}`, and a schema that says so. */
  readonly wraps: boolean;
  readonly legacySchema: JsonSchema;
  /** Findings about an answer; undefined: every value fits. */
  readonly validate: ((value: JsonValue) => readonly ArgIssue[]) | undefined;
}

/** @returns undefined when nothing is promised: by the rule, or because the document declares no JSON. */
export function outputOf(
  operation: Operation,
  { response: { schema: mode } }: RuleConfig,
  check: (schema: JsonSchema, textual: ReadonlySet<string>) => Check,
): Output | undefined {
  const answer = mode === "none" ? undefined : operation.answer();
  if (answer === undefined) return undefined;
  const { schemas } = answer;
  const root = atRoot(answer.schema, (name) => schemas.get(name));
  const definitions = reachable([root], schemas);
  const whole = Object.keys(definitions).length === 0 ? root : { ...root, $defs: definitions };
  const schema = mode === "strict" ? whole : permissive(whole);
  const wraps = schema["type"] !== "object";
  return {
    schema,
    wraps,
    legacySchema: wraps ? wrapped(schema) : schema,
    validate: mode === "strict" ? compileValidate(schema, check) : undefined,
  };
}

/** Clients look for `type: object` at the root itself. */
function atRoot(schema: JsonSchema, get: (name: string) => JsonSchema | undefined): JsonSchema {
  let current = schema;
  for (let hops = 0; hops < 16; hops++) {
    const { $ref: ref, ...siblings } = current;
    if (typeof ref !== "string") return current;
    current = { ...get(ref.slice("#/$defs/".length)), ...siblings };
  }
  return {};
}

function compileValidate(
  schema: JsonSchema,
  check: (schema: JsonSchema, textual: ReadonlySet<string>) => Check,
): (value: JsonValue) => readonly ArgIssue[] {
  let run: Check | undefined;
  return (value) => {
    run ??= check(checkedSchema(schema, { argument: "", properties: [] }), new Set());
    // Only its type speaks of arguments: any value can be checked.
    return run(value as JsonObject);
  };
}

/** Keywords that say what members there are and what they mean, and refuse no value. */
const harmless = new Set(["title", "description", "deprecated", "$ref", "examples"]);
const containers = new Set(["properties", "patternProperties", "$defs"]);
const unions = new Set(["allOf", "anyOf", "oneOf", "prefixItems"]);

/** What every answer fits, of whatever form: real ones do not keep to their schemas. */
function permissive(schema: JsonSchema): JsonSchema {
  const loose = loosen(schema) as JsonObject;
  return schema["type"] === "object" ? { type: "object", ...loose } : loose;
}

function loosen(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return {};
  const out: Record<string, JsonValue> = {};
  for (const [key, child] of Object.entries(value)) {
    if (harmless.has(key)) out[key] = child;
    else if (containers.has(key) && isJsonObject(child))
      out[key] = mapValues(child, (inner) => loosen(inner));
    else if (unions.has(key) && Array.isArray(child))
      // Of branches that all fit, only `oneOf` would make a fault.
      out[key === "oneOf" ? "anyOf" : key] = (child as readonly JsonValue[]).map(loosen);
    else if ((key === "items" || key === "additionalProperties") && isJsonObject(child))
      out[key] = loosen(child);
  }
  return out;
}

/** References point from the new root. */
function wrapped(schema: JsonSchema): JsonSchema {
  return {
    type: "object",
    properties: { result: rebase(schema) },
    required: ["result"],
  };
}

function rebase(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(rebase);
  if (!isJsonObject(value)) return value;
  const out: Record<string, JsonValue> = {};
  for (const [key, child] of Object.entries(value)) {
    if (key === "$ref" && typeof child === "string")
      out[key] = child.replace(/^#/, "#/properties/result");
    else if (schemaData.has(key)) out[key] = child;
    else if (schemaMaps.has(key) && isJsonObject(child)) out[key] = mapValues(child, rebase);
    else out[key] = rebase(child);
  }
  return out;
}

function mapValues(map: JsonObject, convert: (value: JsonValue) => JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, convert(value)]));
}
