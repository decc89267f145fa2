import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import { escapeText } from "../base/text.ts";
import { assertedFormats } from "./checked-schema.ts";
import { digitsWithin } from "./digits.ts";
import { compilePattern } from "./pattern.ts";
import type { ArgIssue } from "./arg-issue.ts";
import { hasTwins } from "./unique-items.ts";

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
  let first: Ajv2020 | undefined;
  let all: Ajv2020 | undefined;
  const compileAll = (schema: JsonSchema): ReturnType<Ajv2020["compile"]> =>
    (all ??= createAjv(true)).compile(schema);
  const compileFirst = (schema: JsonSchema): ReturnType<Ajv2020["compile"]> => {
    try {
      return (first ??= createAjv(false)).compile(schema);
    } catch (error) {
      // It nests one level per property, more than the stack holds for thousands of them.
      if (!(error instanceof RangeError)) throw error;
      return compileAll(schema);
    }
  };
  return (schema, textual) => {
    let validate: ReturnType<Ajv2020["compile"]> | undefined;
    let collect: ReturnType<Ajv2020["compile"]> | undefined;
    const allowed = isJsonObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
    return (args) => {
      validate ??= compileFirst(schema);
      if (validate(args)) return [];
      // Text in place of a number is common and harmless where everything becomes text anyway.
      const read = textual.size === 0 ? args : readScalars(args, schema, textual);
      if (read !== args && validate(read)) return [];
      if (countValues(read, maxCollected) >= maxCollected) {
        return describe(validate.errors ?? [], allowed);
      }
      collect ??= compileAll(schema);
      void collect(read);
      return describe(collect.errors ?? [], allowed);
    };
  };
}

/** Arguments of more values are told the first finding only: a list of faults can be longer still. */
const maxCollected = 1_000;

function createAjv(allErrors: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    strict: false,
    // What JavaScript reads as infinity would be sent as null.
    strictNumbers: true,
    allErrors,
    logger: false,
    validateSchema: false,
    addUsedSchema: false,
    verbose: true,
    // Else an argument called `constructor` seems to be there, and to be a function.
    ownProperties: true,
    code: { regExp: compilePattern },
  });
  addFormats.default(ajv, [...assertedFormats]);
  // ajv compares every pair of objects, which takes minutes for a list of a megabyte.
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (wanted: boolean, items: readonly JsonValue[]) => !wanted || !hasTwins(items),
    error: { message: "must not have equal items" },
  });
  ajv.addKeyword({
    keyword: "digitsWithin",
    type: "string",
    schemaType: "object",
    validate: digitsWithin,
  });
  return ajv;
}

function countValues(value: JsonValue, max: number): number {
  if (typeof value !== "object" || value === null) return 1;
  let count = 1;
  for (const member of Object.values(value)) {
    count += countValues(member, max - count);
    if (count >= max) break;
  }
  return count;
}

/** A copy in which texts that spell a number or boolean are that value, for checking only. */
function readScalars(
  args: JsonObject,
  schema: JsonSchema,
  textual: ReadonlySet<string>,
): JsonObject {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const read = Object.entries(args).map(([name, value]): readonly [string, JsonValue] => [
    name,
    textual.has(name) ? readScalar(value, namedSchema(properties, name), schema) : value,
  ]);
  return read.every(([name, value]) => value === args[name]) ? args : Object.fromEntries(read);
}

/** Only texts change; everything else comes back as the same value. */
function readScalar(value: JsonValue, schema: JsonObject, root: JsonSchema): JsonValue {
  const wanted = followReference(schema, root);
  if (Array.isArray(value)) {
    const items = namedSchema(wanted, "items");
    const read = (value as readonly JsonValue[]).map((item) => readScalar(item, items, root));
    return read.every((item, i) => item === value[i]) ? value : read;
  }
  if (isJsonObject(value)) {
    const properties = namedSchema(wanted, "properties");
    const read = Object.entries(value).map(([name, member]): readonly [string, JsonValue] => [
      name,
      readScalar(member, namedSchema(properties, name), root),
    ]);
    return read.every(([name, member]) => member === value[name])
      ? value
      : Object.fromEntries(read);
  }
  return typeof value === "string" ? readText(value, typesOf(wanted, root)) : value;
}

function readText(text: string, types: ReadonlySet<JsonValue>): JsonValue {
  if (types.has("string")) return text;
  if (types.has("boolean") && (text === "true" || text === "false")) return text === "true";
  const numeric = types.has("integer") || types.has("number");
  return numeric && /^-?\d{1,19}(\.\d{1,19})?$/.test(text) ? Number(text) : text;
}

function namedSchema(holder: JsonObject, name: string): JsonObject {
  const schema = Object.hasOwn(holder, name) ? holder[name] : undefined;
  return isJsonObject(schema) ? schema : {};
}

/** Bounded, because references can go in circles. */
function followReference(schema: JsonObject, root: JsonSchema): JsonObject {
  let current = schema;
  for (let hops = 0; hops < 16; hops++) {
    const ref = current["$ref"];
    if (typeof ref !== "string" || !ref.startsWith("#/$defs/")) break;
    current = namedSchema(namedSchema(root, "$defs"), unescapeSegment(ref.slice(8)));
  }
  return current;
}

/** Of the schema itself or, where it says none, of its alternatives. */
function typesOf(schema: JsonObject, root: JsonSchema): ReadonlySet<JsonValue> {
  if (schema["type"] !== undefined) return new Set([schema["type"]].flat());
  const branches = ["anyOf", "allOf"].flatMap((keyword) => schema[keyword] ?? []);
  return new Set(
    branches
      .filter(isJsonObject)
      .flatMap((branch) => followReference(branch, root)["type"] ?? null),
  );
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
    .map((segment) => escapeText(unescapeSegment(segment), 64))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : join(path, part)), "");
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function unescapeSegment(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}
