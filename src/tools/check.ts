import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import { escapeText } from "../base/text.ts";
import { assertedFormats } from "./checked-schema.ts";
import { compilePattern } from "./pattern.ts";
import type { ArgIssue } from "./tool.ts";

const maxIssues = 8;

export type Check = (args: JsonObject) => readonly ArgIssue[];

/**
 * Makes checks of arguments. A check compiles its schema when it first runs: thousands of compiled
 * schemas would cost seconds of start and most are never used.
 *
 * @param textual Names of arguments that travel as text (path, query, header, cookie): for these
 *   `"5"` is as good as `5`.
 */
export function createChecker(): (schema: JsonSchema, textual: ReadonlySet<string>) => Check {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    logger: false,
    validateSchema: false,
    addUsedSchema: false,
    verbose: true,
    code: { regExp: compilePattern },
  });
  addFormats.default(ajv, [...assertedFormats]);
  return (schema, textual) => {
    let validate: ReturnType<typeof ajv.compile> | undefined;
    const allowed = isJsonObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
    return (args) => {
      validate ??= ajv.compile(schema);
      if (validate(args)) return [];
      const errors = validate.errors ?? [];
      // Text in place of a number is common and harmless where everything becomes text anyway.
      const spelled = errors.some((error) => isSpelledScalar(error, textual));
      if (spelled && validate(readScalars(args, schema, textual))) return [];
      return describe(spelled ? (validate.errors ?? []) : errors, allowed);
    };
  };
}

function isSpelledScalar(error: ErrorObject, textual: ReadonlySet<string>): boolean {
  const name = unescapeSegment(error.instancePath.split("/")[1] ?? "");
  return (error.keyword === "type" || error.keyword === "enum") && textual.has(name);
}

/** A copy in which texts that spell a number or boolean are that value, for checking only. */
function readScalars(
  args: JsonObject,
  schema: JsonSchema,
  textual: ReadonlySet<string>,
): JsonObject {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      const wanted = properties[name];
      if (!textual.has(name) || !isJsonObject(wanted)) return [name, value];
      const items = isJsonObject(wanted["items"]) ? wanted["items"] : {};
      if (Array.isArray(value)) return [name, value.map((item) => readScalar(item, items))];
      return [name, readScalar(value, wanted)];
    }),
  );
}

function readScalar(value: JsonValue, schema: JsonObject): JsonValue {
  if (typeof value !== "string") return value;
  const types = new Set([schema["type"]].flat());
  if (types.has("string")) return value;
  if (types.has("boolean") && (value === "true" || value === "false")) return value === "true";
  const numeric = types.has("integer") || types.has("number");
  return numeric && /^-?\d{1,19}(\.\d{1,19})?$/.test(value) ? Number(value) : value;
}

function describe(errors: readonly ErrorObject[], allowed: readonly string[]): ArgIssue[] {
  const issues = new Map<string, ArgIssue>();
  for (const error of withoutNoise(errors)) {
    const issue = describeOne(error, allowed);
    issues.set(`${issue.path} ${issue.message}`, issue);
    if (issues.size === maxIssues) break;
  }
  return [...issues.values()];
}

/**
 * When a value matches no branch of `anyOf`, the findings inside the branches at the same place say
 * only that it is not each of them; findings deeper inside say what to mend.
 */
function withoutNoise(errors: readonly ErrorObject[]): ErrorObject[] {
  const unions = errors.filter((error) => error.keyword === "anyOf");
  return errors.filter((error) => {
    if (error.keyword === "if") return false;
    if (error.keyword === "anyOf") {
      return !errors.some((other) => other.instancePath.startsWith(`${error.instancePath}/`));
    }
    return !unions.some((union) => union !== error && union.instancePath === error.instancePath);
  });
}

/** Those of the keywords handled here (ajv, "Error parameters"). */
type AjvParams = Readonly<Record<string, string>> & { readonly allowedValues?: JsonValue };

function describeOne(error: ErrorObject, allowed: readonly string[]): ArgIssue {
  const path = spellPath(error.instancePath);
  const params = error.params as AjvParams;
  switch (error.keyword) {
    case "required":
      return { path: join(path, params["missingProperty"] ?? ""), message: "is required" };
    case "additionalProperties":
    case "unevaluatedProperties": {
      const name = params["additionalProperty"] ?? params["unevaluatedProperty"] ?? "";
      return {
        path: join(path, escapeText(name, 64)),
        message: refuseUnknown(name, error, allowed),
      };
    }
    case "not":
      return isJsonObject(error.schema) && Object.keys(error.schema).length === 0
        ? { path, message: "is filled in by the gateway; leave it out" }
        : { path, message: "has a value that is not allowed" };
    default:
      return {
        path: path || "arguments",
        message: `${expectation(error)}, got ${show(error.data)}`,
      };
  }
}

function refuseUnknown(name: string, error: ErrorObject, allowed: readonly string[]): string {
  const parent = error.parentSchema;
  const properties: unknown = parent?.["properties"];
  const names = isJsonObject(properties) ? Object.keys(properties) : [];
  const known = error.instancePath === "" ? allowed : names;
  const suggestion = nearest(name, known);
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  const list = known.length === 0 ? "none is allowed" : `allowed: ${known.slice(0, 30).join(", ")}`;
  return `is not known${hint} (${list})`;
}

function expectation(error: ErrorObject): string {
  const params = error.params as AjvParams;
  switch (error.keyword) {
    case "type":
      return `expected ${[params["type"] ?? []].flat().join(" or ")}`;
    case "enum":
      return `expected one of ${listValues(params.allowedValues)}`;
    case "const":
      return `expected ${JSON.stringify(params["allowedValue"])}`;
    case "format":
      return `expected format ${params["format"]}`;
    case "pattern":
      return `expected text matching ${params["pattern"]}`;
    case "anyOf":
      return "expected one of the allowed forms";
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
      return `expected a number ${params["comparison"]} ${params["limit"]}`;
    default:
      // ajv words the rest well: "must NOT have fewer than 1 items", "must be multiple of 5".
      return (error.message ?? "expected another value").replace(/^must/, "it must");
  }
}

function listValues(values: JsonValue | undefined): string {
  const all = Array.isArray(values) ? (values as readonly JsonValue[]) : [];
  const shown = all.slice(0, 20).map((value) => JSON.stringify(value));
  return shown.join(", ") + (all.length > 20 ? ", …" : "");
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return escapeText(JSON.stringify(value) ?? "nothing", 64);
}

/** `/body/items/0/sku` → `body.items[0].sku` */
function spellPath(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map(unescapeSegment)
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : join(path, part)), "");
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function unescapeSegment(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}
