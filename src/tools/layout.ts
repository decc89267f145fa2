import type { Issue, Position } from "../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import type { ArgConfig, RuleConfig } from "../config/config.ts";
import type { Body, Operation, Parameter, SchemaPool } from "../openapi/operation.ts";
import { argumentName } from "./name.ts";
import type { Place } from "./tool.ts";

/** Where every value of a request comes from and goes to, and what the model sees of it. */
export interface Layout {
  readonly places: readonly Place[];
  /** Schemas of the model's arguments, in the order parameters, body. */
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required: readonly string[];
  /** Names of body properties that the gateway fills in; the model may not send them. */
  readonly hiddenProperties: readonly string[];
  readonly issues: readonly Issue[];
}

interface Slot {
  readonly name: string;
  readonly parameter: Parameter;
}

/**
 * Parameters at the top level under legal names, the body as one argument. Depends only on this
 * operation and its rule, so that an unrelated change of the document moves nothing.
 */
export function layOut(operation: Operation, rule: RuleConfig, schemas: SchemaPool): Layout {
  const slots = nameParameters(operation.parameters);
  const body = operation.bodies[0];
  const bodyName = nameBody(slots);
  const bodySchema = body && resolveRoot(body.schema, schemas);
  const claims = claimArguments(rule, slots, { name: bodyName, schema: bodySchema });
  const { position } = rule;
  const draft: Draft = {
    places: [],
    properties: {},
    required: [],
    issues: [...claims.issues],
    position,
  };
  for (const slot of slots) addParameter(draft, slot, claims.parameters.get(slot.name));
  const hiddenProperties: string[] = [];
  if (body) {
    for (const [name, arg] of claims.properties) {
      draft.places.push({
        key: `${bodyName}.${name}`,
        source: arg.source,
        default: arg.default,
        target: { kind: "property", body, name },
      });
      if (arg.source.kind !== "model") hiddenProperties.push(name);
    }
    addBody(draft, {
      name: bodyName,
      body,
      required: operation.bodyRequired,
      arg: claims.body,
      schema: shapeBody(body.schema, bodySchema, claims.properties),
    });
  }
  const { places, properties, required, issues } = draft;
  return { places, properties, required, issues, hiddenProperties };
}

function nameBody(slots: readonly Slot[]): string {
  const taken = new Set(slots.map(({ name }) => name));
  if (!taken.has("body")) return "body";
  let name = "request_body";
  for (let n = 2; taken.has(name); n++) name = `request_body_${n}`;
  return name;
}

interface Draft {
  /** Of the rule: where a finding about an argument that it does not mention belongs. */
  readonly position: Position;
  readonly places: Place[];
  readonly properties: Record<string, JsonSchema>;
  readonly required: string[];
  readonly issues: Issue[];
}

function addParameter(draft: Draft, { name, parameter }: Slot, arg: ArgConfig | undefined): void {
  const source = arg?.source ?? { kind: "model" as const };
  const key = arg?.name ?? name;
  draft.places.push({
    key: source.kind === "model" ? key : `${parameter.in}:${parameter.name}`,
    source,
    default: arg?.default,
    target: { kind: "parameter", parameter },
  });
  if (source.kind !== "model") return;
  if (!claimName(draft, key, arg)) return;
  draft.properties[key] = describeParameter(parameter, arg);
  const hasDefault = arg?.default !== undefined || "default" in parameter.schema;
  if (parameter.in === "path" ? arg?.default === undefined : parameter.required && !hasDefault) {
    draft.required.push(key);
  }
}

interface BodySlot {
  readonly name: string;
  readonly body: Body;
  readonly required: boolean;
  readonly arg: ArgConfig | undefined;
  /** undefined: nothing is left for the model to say. */
  readonly schema: JsonSchema | undefined;
}

function addBody(draft: Draft, { name, body, required, arg, schema }: BodySlot): void {
  const target = { kind: "body" as const, body };
  if (arg !== undefined && arg.source.kind !== "model") {
    draft.places.unshift({ key: "body:", source: arg.source, default: undefined, target });
    return;
  }
  if (schema === undefined) return;
  const key = arg?.name ?? name;
  // First, so that what the gateway fills in comes on top of what the model gave.
  draft.places.unshift({ key, source: { kind: "model" }, default: arg?.default, target });
  if (!claimName(draft, key, arg)) return;
  const description = arg?.description ?? (schema["description"] ? "" : body.description);
  draft.properties[key] = description ? { ...schema, description } : schema;
  if (required && arg?.default === undefined) draft.required.push(key);
}

function claimName(draft: Draft, key: string, arg: ArgConfig | undefined): boolean {
  if (!Object.hasOwn(draft.properties, key)) return true;
  draft.issues.push({
    severity: "error",
    code: "duplicate_argument",
    message: `two arguments would be called ${JSON.stringify(key)}`,
    position: arg?.position ?? draft.position,
    help: "give one of them another name",
  });
  return false;
}

function describeParameter(parameter: Parameter, arg: ArgConfig | undefined): JsonSchema {
  const own = parameter.description || parameter.schema["description"];
  const text = arg?.description ?? (typeof own === "string" ? own : "");
  const description =
    parameter.deprecated && !/^deprecated/i.test(text) ? `DEPRECATED. ${text}`.trim() : text;
  return {
    ...parameter.schema,
    ...(description ? { description } : {}),
    ...(parameter.deprecated ? { deprecated: true } : {}),
    ...(arg?.default === undefined ? {} : { default: arg.default }),
  };
}

/**
 * Legal and distinct: a path parameter keeps its bare name, another of the same name gets its place
 * as suffix, then a number.
 */
function nameParameters(parameters: readonly Parameter[]): Slot[] {
  const taken = new Set<string>();
  const inPathFirst = parameters.toSorted(
    (a, b) => Number(b.in === "path") - Number(a.in === "path"),
  );
  const names = new Map<Parameter, string>();
  for (const parameter of inPathFirst) {
    const bare = argumentName(parameter.name);
    let name = taken.has(bare) ? argumentName(`${bare}_${parameter.in}`) : bare;
    for (let n = 2; taken.has(name); n++) name = argumentName(`${bare}_${parameter.in}_${n}`);
    taken.add(name);
    names.set(parameter, name);
  }
  return parameters.map((parameter) => ({ name: names.get(parameter) ?? "", parameter }));
}

interface Claims {
  readonly parameters: ReadonlyMap<string, ArgConfig>;
  readonly properties: ReadonlyMap<string, ArgConfig>;
  readonly body: ArgConfig | undefined;
  readonly issues: readonly Issue[];
}

/** What each key of a rule's `args` is about: a parameter, the body, or a property of the body. */
function claimArguments(
  rule: RuleConfig,
  slots: readonly Slot[],
  body: { readonly name: string; readonly schema: JsonObject | undefined },
): Claims {
  const parameters = new Map<string, ArgConfig>();
  const properties = new Map<string, ArgConfig>();
  let whole: ArgConfig | undefined;
  const issues: Issue[] = [];
  const known =
    body.schema && isJsonObject(body.schema["properties"]) ? body.schema["properties"] : {};
  for (const [key, arg] of rule.args) {
    const wired = slots.filter((slot) => slot.parameter.name === key);
    const slot =
      slots.find(({ name }) => name === key) ?? (wired.length === 1 ? wired[0] : undefined);
    const property = key.startsWith(`${body.name}.`) ? key.slice(body.name.length + 1) : key;
    if (slot) parameters.set(slot.name, arg);
    else if (body.schema && key === body.name) whole = arg;
    else if (Object.hasOwn(known, property)) {
      properties.set(property, arg);
      if (arg.name !== undefined) issues.push(refuseRename(key, arg));
    } else {
      const names = [...slots.map(({ name }) => name), ...Object.keys(known)];
      const suggestion = nearest(key, names);
      issues.push({
        severity: "error",
        code: "unknown_argument",
        message: `${JSON.stringify(key)} is no parameter or body property of this operation`,
        position: arg.position,
        help:
          suggestion === undefined ? listOf(names) : `did you mean ${JSON.stringify(suggestion)}?`,
      });
    }
  }
  return { parameters, properties, body: whole, issues };
}

function refuseRename(key: string, arg: ArgConfig): Issue {
  return {
    severity: "error",
    code: "not_renamable",
    message: `${JSON.stringify(key)} is a property of the body and keeps its name`,
    position: arg.position,
    help: undefined,
  };
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? "it has none" : `it has ${names.slice(0, 12).join(", ")}`;
}

/** Follows `$ref` at the root only, so that its properties can be seen; bounded against cycles. */
function resolveRoot(schema: JsonSchema, schemas: SchemaPool): JsonObject {
  let current = schema;
  for (let depth = 0; depth < 16; depth++) {
    const ref = current["$ref"];
    if (typeof ref !== "string" || !ref.startsWith("#/$defs/")) return current;
    current = schemas.get(unescapePointer(ref.slice("#/$defs/".length))) ?? {};
  }
  return {};
}

export function unescapePointer(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** The body as the model sees it: without what the gateway fills in. */
function shapeBody(
  schema: JsonSchema,
  resolved: JsonObject | undefined,
  claimed: ReadonlyMap<string, ArgConfig>,
): JsonSchema | undefined {
  if (claimed.size === 0 || resolved === undefined) return schema;
  const all = isJsonObject(resolved["properties"]) ? resolved["properties"] : {};
  const shown = Object.entries(all).filter(
    ([name]) => (claimed.get(name)?.source.kind ?? "model") === "model",
  );
  const closed = resolved["additionalProperties"] === false;
  if (shown.length === 0 && (closed || !composed(resolved))) return undefined;
  const properties = Object.fromEntries(
    shown.map(([name, property]) => [name, describeProperty(property, claimed.get(name))]),
  );
  const { required, ...rest } = resolved;
  const left = Array.isArray(required) ? required.filter((name) => !claimed.has(String(name))) : [];
  return { ...rest, properties, ...(left.length > 0 ? { required: left } : {}) };
}

function describeProperty(property: JsonValue | undefined, arg: ArgConfig | undefined): JsonSchema {
  return {
    ...(isJsonObject(property) ? property : {}),
    ...(arg?.description === undefined ? {} : { description: arg.description }),
    ...(arg?.default === undefined ? {} : { default: arg.default }),
  };
}

function composed(schema: JsonObject): boolean {
  return ["allOf", "anyOf", "oneOf", "patternProperties"].some((keyword) => keyword in schema);
}
