import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import { escapeText } from "../base/text.ts";
import { label, nameOf, quote, textOf, type YamlNode } from "./node.ts";
import { type SchemaError, withoutNoise } from "./noise.ts";
import { didYouMean, type Finding, type Problems } from "./problems.ts";
import { gatewaySchema } from "./schema/gateway.ts";

/** A validator of what a file may say with these keys. */
interface Compiled {
  readonly keys: ReadonlySet<string>;
  readonly validate: ValidateFunction;
}

let compiled: Compiled | undefined;
let named: ReadonlySet<string> | undefined;

/**
 * Making code for everything that a file may say takes longer than all the rest of its reading, and
 * holds up every call when it is read again: there is code for the keys that files had so far.
 */
function validator(root: YamlNode): ValidateFunction {
  named ??= keysNamedIn(gatewaySchema);
  const keys = new Set(compiled?.keys);
  const known = keys.size;
  collectKeys(root, named, keys);
  if (compiled === undefined || keys.size > known) compiled = compile(keys);
  return compiled.validate;
}

function compile(keys: ReadonlySet<string>): Compiled {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    // For one run over one file: a test has checked the schema, and plain code is made faster.
    validateSchema: false,
    code: { optimize: false },
  });
  ajv.addVocabulary(["x-secret", "x-default", "patternErrorMessage"]);
  const schema = withoutOtherKeys(gatewaySchema, keys);
  return { keys, validate: ajv.compile(schema as JsonSchema) };
}

/** Those of the keys that the schema names; who edits the file chooses the others. */
function collectKeys(
  { kind, children }: YamlNode,
  wanted: ReadonlySet<string>,
  keys: Set<string>,
): void {
  for (const [key, inner] of children) {
    if (kind === "mapping" && wanted.has(key)) keys.add(key);
    collectKeys(inner, wanted, keys);
  }
}

/** Every key that the schema names. */
function keysNamedIn(schema: JsonValue, keys: Set<string> = new Set()): ReadonlySet<string> {
  if (typeof schema !== "object" || schema === null) return keys;
  for (const [word, value] of Object.entries(schema)) {
    if (word === "properties" && isJsonObject(value))
      for (const key of Object.keys(value)) keys.add(key);
    keysNamedIn(value, keys);
  }
  return keys;
}

/** The same verdicts on a file without other keys: nothing but a property's own value meets its schema. */
function withoutOtherKeys(schema: JsonValue, keys: ReadonlySet<string>): JsonValue {
  if (Array.isArray(schema)) return schema.map((item: JsonValue) => withoutOtherKeys(item, keys));
  if (!isJsonObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([word, value]) => [
      word,
      word === "properties" && isJsonObject(value)
        ? withMembers(value, keys)
        : withoutOtherKeys(value, keys),
    ]),
  );
}

function withMembers(properties: JsonObject, keys: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([key]) => keys.has(key))
      .map(([key, inner]) => [key, withoutOtherKeys(inner, keys)]),
  );
}

/**
 * What the schema says about the whole file, in words and with positions. Unknown keys are gone by
 * then: `correctSpelling` has reported them.
 */
export function validateTree(root: YamlNode, problems: Problems): void {
  const check = validator(root);
  if (check(root.value)) return;
  for (const found of withoutNoise(check.errors ?? []))
    problems.error(describe(found, nodeAt(root, found.error.instancePath)));
}

/** Keys of which `exactlyOne` asks for one. */
function alternatives(error: ErrorObject): readonly string[] {
  const branches = error.schema as readonly { readonly required: readonly string[] }[];
  return branches.flatMap((branch) => branch.required);
}

function nodeAt(root: YamlNode, pointer: string): YamlNode {
  let node = root;
  for (const part of pointer.split("/").slice(1)) {
    const inner = node.children.get(part.replaceAll("~1", "/").replaceAll("~0", "~"));
    if (inner === undefined) break;
    node = inner;
  }
  return node;
}

type Describe = (found: SchemaError, node: YamlNode) => Finding;

const byKeyword: Readonly<Record<string, Describe>> = {
  required: ({ error }, node) => {
    const key = String(error.params["missingProperty"]);
    return { at: nameOf(node), code: "missing_key", message: `${label(node)} needs "${key}"` };
  },
  oneOf: ({ error }, node) => {
    const keys = alternatives(error);
    const second = [...node.children.keys()].filter((key) => keys.includes(key))[1];
    return {
      at: second === undefined ? nameOf(node) : keyOf(node, second),
      code: "exactly_one",
      message: `${label(node)} needs exactly one of ${keys.join(", ")}`,
    };
  },
  type: (found, node) => wrongType(found, node),
  anyOf: (found, node) => wrongType(found, node),
  enum: ({ error }, node) => {
    const values = error.params["allowedValues"] as readonly string[];
    const text = node.origin === undefined ? textOf(node) : undefined;
    return {
      at: node,
      code: "invalid_value",
      message: `${label(node)} must be ${oneOf(values)}, not ${quote(node)}`,
      help: text === undefined ? undefined : didYouMean(nearest(text, values)),
    };
  },
  const: (_, node) => ({
    at: node,
    code: "unsupported_version",
    message: `this Tollgate reads version 1 of gateway.yaml, not ${quote(node)}`,
  }),
  pattern: ({ error }, node) => ({
    at: node,
    code: "invalid_value",
    message: `${label(node)} ${String(error.parentSchema?.["patternErrorMessage"])}, not ${quote(node)}`,
  }),
  propertyNames: ({ error }, node) => {
    const key = String(error.params["propertyName"]);
    const names = error.schema as { readonly patternErrorMessage?: string };
    const rule = names.patternErrorMessage ?? "must not be empty";
    return {
      at: keyOf(node, key),
      code: "invalid_name",
      message: `the name "${escapeText(key, 64)}" in ${label(node)} ${rule}`,
    };
  },
  minLength: (_, node) => ({
    at: node,
    code: "empty_value",
    message: `${label(node)} must not be empty`,
  }),
  minItems: (_, node) => empty(node),
  minProperties: (_, node) => empty(node),
  uniqueItems: ({ error }, node) => {
    const later = Math.max(Number(error.params["i"]), Number(error.params["j"]));
    const item = node.children.get(String(later)) ?? node;
    return {
      at: item,
      code: "duplicate_item",
      message: `${label(node)} has ${quote(item)} twice`,
    };
  },
  minimum: outOfRange,
  maximum: outOfRange,
};

function describe(found: SchemaError, node: YamlNode): Finding {
  const words = byKeyword[found.error.keyword];
  if (words === undefined) throw new Error(`no words for the keyword ${found.error.keyword}`);
  return words(found, node);
}

function keyOf(node: YamlNode, key: string): Finding["at"] {
  const inner = node.children.get(key);
  return inner === undefined ? node : nameOf(inner);
}

const typeWords: Readonly<Record<string, string>> = {
  object: "a mapping",
  array: "a list",
  string: "a string",
  integer: "an integer",
  boolean: "true or false",
};

function wrongType({ expected }: SchemaError, node: YamlNode): Finding {
  const words = expected.map((type) => typeWords[type] ?? type).join(" or ");
  const value = node.origin === undefined ? node.value : undefined;
  return {
    at: node.kind === "scalar" ? node : nameOf(node),
    code: "wrong_type",
    message: `${label(node)} must be ${words}, not ${quote(node)}`,
    help: expected.includes("boolean") ? didYouMean(booleanWord(value)) : undefined,
  };
}

/** What YAML 1.1 read as a boolean and 1.2 does not. */
function booleanWord(value: JsonValue | undefined): string | undefined {
  if (typeof value !== "string") return undefined;
  if (/^(yes|on|y)$/i.test(value)) return "true";
  return /^(no|off|n)$/i.test(value) ? "false" : nearest(value, ["true", "false"]);
}

function empty(node: YamlNode): Finding {
  const message = `${label(node)} needs at least one entry`;
  return { at: nameOf(node), code: "empty_list", message };
}

function outOfRange({ error }: SchemaError, node: YamlNode): Finding {
  const limit = String(error.params["limit"]);
  const bound = error.keyword === "minimum" ? "at least" : "at most";
  const message = `${label(node)} must be ${bound} ${limit}, not ${quote(node)}`;
  return { at: node, code: "out_of_range", message };
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `"${values[0]}"` : `one of ${values.join(", ")}`;
}
