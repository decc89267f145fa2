import type { JsonObject, JsonSchema, JsonValue } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import { escapeText } from "../base/text.ts";
import { child, entriesOf, itemsOf, label, nameOf, quote, textOf, type YamlNode } from "./node.ts";
import { didYouMean, type Finding, type Problems } from "./problems.ts";

/**
 * What the schema says about the whole file, in words and with positions. Unknown keys are gone by
 * then: `correctSpelling` has reported them.
 *
 * One file is read once, so the schema is walked along it: to make code of the schema first, as
 * ajv does for arguments, took a tenth of a start. A test compares the verdicts with ajv's.
 */
export function validateTree(root: YamlNode, schema: JsonSchema, problems: Problems): void {
  for (const finding of findingsAt(root, schema)) problems.error(finding);
}

/** With a wrong type, the other words of the schema mean nothing. */
function findingsAt(node: YamlNode, schema: JsonObject): readonly Finding[] {
  const types = typesOf(schema);
  if (types.length > 0 && !hasType(node, types)) return [wrongType(node, types)];
  return Object.entries(schema).flatMap(([word, rule]) => {
    if (saysNothing.has(word)) return [];
    const check = checks[word];
    if (check === undefined) throw new TypeError(`no check for the keyword ${word}`);
    return check(node, rule as never, schema);
  });
}

type Check = (node: YamlNode, rule: never, schema: JsonObject) => readonly Finding[];

/** For readers and editors, or looked at together with another keyword. */
const saysNothing: ReadonlySet<string> = new Set([
  "$schema",
  "title",
  "description",
  "default",
  "x-default",
  "examples",
  "x-secret",
  "patternErrorMessage",
  "type",
  // Keys for notes.
  "patternProperties",
]);

const checks: Readonly<Record<string, Check>> = {
  properties: (node, properties: JsonObject) =>
    entriesOf(node).flatMap(([key, inner]) =>
      Object.hasOwn(properties, key) ? findingsAt(inner, properties[key] as JsonObject) : [],
    ),
  // With `false` beside fixed keys; else there are no fixed ones.
  additionalProperties: (node, entry: JsonObject | false) =>
    entry === false ? [] : entriesOf(node).flatMap(([, inner]) => findingsAt(inner, entry)),
  items: (node, item: JsonObject) => itemsOf(node).flatMap((inner) => findingsAt(inner, item)),
  // The type tells the forms apart.
  anyOf(node, forms: readonly JsonObject[]) {
    const form = forms.find((candidate) => hasType(node, typesOf(candidate)));
    return form === undefined ? [wrongType(node, forms.flatMap(typesOf))] : findingsAt(node, form);
  },
  oneOf(node, forms: readonly { readonly required: readonly string[] }[]) {
    if (node.kind !== "mapping") return [];
    const keys = forms.flatMap(({ required }) => required);
    const [first, second] = [...node.children.keys()].filter((key) => keys.includes(key));
    if (first !== undefined && second === undefined) return [];
    return [
      {
        at: second === undefined ? nameOf(node) : keyOf(node, second),
        code: "exactly_one",
        message: `${label(node)} needs exactly one of ${keys.join(", ")}`,
      },
    ];
  },
  required: (node, keys: readonly string[]) =>
    (node.kind === "mapping" ? keys : [])
      .filter((key) => child(node, key) === undefined)
      .map((key) => ({
        at: nameOf(node),
        code: "missing_key",
        message: `${label(node)} needs "${key}"`,
      })),
  propertyNames: (node, rules: JsonObject) =>
    entriesOf(node)
      .filter(([name]) => !fits(name, rules))
      .map(([name]) => ({
        at: keyOf(node, name),
        code: "invalid_name",
        message: `the name "${escapeText(name, 64)}" in ${label(node)} ${messageOf(rules) ?? "must not be empty"}`,
      })),
  enum(node, values: readonly string[]) {
    const text = textOf(node);
    if (text !== undefined && values.includes(text)) return [];
    const shown = node.origin === undefined ? text : undefined;
    return [
      {
        at: node,
        code: "invalid_value",
        message: `${label(node)} must be ${oneOf(values)}, not ${quote(node)}`,
        help: shown === undefined ? undefined : didYouMean(nearest(shown, values)),
      },
    ];
  },
  const(node, value: JsonValue) {
    const message = `this Tollgate reads version 1 of gateway.yaml, not ${quote(node)}`;
    return node.value === value ? [] : [{ at: node, code: "unsupported_version", message }];
  },
  pattern(node, pattern: string, schema) {
    const text = textOf(node);
    if (text === undefined || fits(text, { pattern })) return [];
    const message = `${label(node)} ${messageOf(schema)}, not ${quote(node)}`;
    return [{ at: node, code: "invalid_value", message }];
  },
  minLength(node, minLength: number) {
    const text = textOf(node);
    if (text === undefined || fits(text, { minLength })) return [];
    return [{ at: node, code: "empty_value", message: `${label(node)} must not be empty` }];
  },
  minItems: (node, least: number) => (node.kind === "list" ? holds(node, least) : []),
  minProperties: (node, least: number) => (node.kind === "mapping" ? holds(node, least) : []),
  uniqueItems(node) {
    const seen = new Set<JsonValue>();
    return itemsOf(node)
      .filter(({ value }) => seen.size === seen.add(value).size)
      .map((item) => ({
        at: item,
        code: "duplicate_item",
        message: `${label(node)} has ${quote(item)} twice`,
      }));
  },
  minimum: (node, limit: number) =>
    typeof node.value === "number" && node.value < limit
      ? [outOfRange(node, `at least ${limit}`)]
      : [],
  maximum: (node, limit: number) =>
    typeof node.value === "number" && node.value > limit
      ? [outOfRange(node, `at most ${limit}`)]
      : [],
};

function typesOf({ type }: JsonObject): readonly string[] {
  if (type === undefined) return [];
  return typeof type === "string" ? [type] : (type as readonly string[]);
}

function hasType({ kind, value }: YamlNode, types: readonly string[]): boolean {
  if (kind !== "scalar") return types.includes(kind === "mapping" ? "object" : "array");
  if (value === null) return types.includes("null");
  return types.includes(typeof value) || (Number.isInteger(value) && types.includes("integer"));
}

/** A text, or a name, by the rules for it. */
function fits(text: string, { pattern, minLength = 0 }: JsonObject): boolean {
  if (typeof pattern === "string" && !new RegExp(pattern, "u").test(text)) return false;
  return text.length >= (minLength as number);
}

function messageOf({ patternErrorMessage }: JsonObject): string | undefined {
  return patternErrorMessage as string | undefined;
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

function wrongType(node: YamlNode, expected: readonly string[]): Finding {
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

function holds(node: YamlNode, least: number): readonly Finding[] {
  if (node.children.size >= least) return [];
  const message = `${label(node)} needs at least one entry`;
  return [{ at: nameOf(node), code: "empty_list", message }];
}

function outOfRange(node: YamlNode, bound: string): Finding {
  const message = `${label(node)} must be ${bound}, not ${quote(node)}`;
  return { at: node, code: "out_of_range", message };
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `"${values[0]}"` : `one of ${values.join(", ")}`;
}
