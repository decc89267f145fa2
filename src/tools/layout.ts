import type { Issue, Position } from "../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonSchema, type JsonValue } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import type { ArgConfig } from "../config/types/argument.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { Body, Operation, Parameter, SchemaPool } from "../openapi/operation/operation.ts";
import { unescapePointer } from "./definitions.ts";
import { flattenBody, type Field } from "./flatten.ts";
import { argumentName } from "./name.ts";
import type { ParamHeader, Place, WireBody, WireParameter } from "./tool.ts";

/** Where every value of a request comes from and goes to, and what the model sees of it. */
export interface Layout {
  readonly places: readonly Place[];
  /** Schemas of the model's arguments, in the order parameters, body. */
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required: readonly string[];
  /** Names of body properties that the gateway fills in; the model may not send them. */
  readonly hiddenProperties: readonly string[];
  readonly headers: readonly ParamHeader[];
  readonly issues: readonly Issue[];
}

interface Slot {
  readonly name: string;
  readonly parameter: Parameter;
}

/**
 * Parameters at the top level under legal names, the body as one argument or, where the rule says
 * so, its properties beside them. Depends only on this operation and its rule, so that an unrelated
 * change of the document moves nothing.
 */
export function layOut(operation: Operation, rule: RuleConfig, schemas: SchemaPool): Layout {
  const { position } = rule;
  const draft: Draft = {
    places: [],
    properties: {},
    required: [],
    issues: [],
    headers: [],
    position,
    schemas,
  };
  const body = operation.bodies[0];
  const bodySchema = body && resolveRoot(body.schema, schemas);
  const fields =
    body && bodySchema && rule.flattenBody
      ? takeApart(operation, { body, schema: bodySchema }, draft)
      : undefined;
  const slots = nameParameters(operation.parameters, new Set(fields?.map(({ name }) => name)));
  const bodyName = nameBody(slots);
  const claims = claimArguments(rule, slots, { name: bodyName, schema: bodySchema, fields });
  draft.issues.push(...claims.issues);
  for (const slot of slots) addParameter(draft, slot, claims.parameters.get(slot.name));
  let hiddenProperties: readonly string[] = none;
  if (body && fields) addFields(draft, { body, fields, required: operation.bodyRequired }, claims);
  else if (body) {
    for (const [name, arg] of claims.properties) {
      draft.places.push({
        key: `${bodyName}.${name}`,
        source: arg.source,
        default: arg.default,
        target: { kind: "property", body: onWire(body), name, own: false },
      });
      if (arg.source.kind !== "model") hiddenProperties = [...hiddenProperties, name];
    }
    addBody(draft, {
      name: bodyName,
      body,
      required: operation.bodyRequired,
      arg: claims.body,
      schema: shapeBody(body.schema, bodySchema, claims.properties),
    });
  }
  const { places, properties, required, issues, headers } = draft;
  return {
    // A list that grew keeps room for more, for as long as the tool lives.
    places: [...places],
    properties,
    required,
    issues,
    headers: headers.length === 0 ? none : headers,
    hiddenProperties,
  };
}

function takeApart(
  { method, path }: Operation,
  { body, schema }: { readonly body: Body; readonly schema: JsonObject },
  draft: Draft,
): readonly Field[] | undefined {
  const flat = flattenBody(schema, body.mediaType);
  if ("fields" in flat) return flat.fields;
  draft.issues.push({
    severity: "error",
    code: "body_not_flat",
    message: `the body of ${method} ${path} cannot be taken apart into arguments: ${flat.fault}`,
    position: draft.position,
    help: "flattenBody: false for this operation",
  });
  return undefined;
}

/** Null stays null and absent stays absent: a merge-patch means different things by them. */
function addFields(
  draft: Draft,
  body: { readonly body: Body; readonly fields: readonly Field[]; readonly required: boolean },
  claims: Claims,
): void {
  const wire = onWire(body.body);
  const target = { kind: "body" as const, body: wire };
  // A body that must be there is, even when no property is given.
  if (body.required)
    draft.places.push({
      key: "body:",
      source: { kind: "value", value: {} },
      default: undefined,
      target,
    });
  for (const { name, property, schema, required } of body.fields) {
    const arg = claims.properties.get(property);
    const source = arg?.source ?? fromModel;
    const key = arg?.name ?? name;
    draft.places.push({
      key: source.kind === "model" ? key : `body:${property}`,
      source,
      default: arg?.default,
      target: { kind: "property", body: wire, name: property, own: true },
    });
    if (source.kind !== "model" || !claimName(draft, key, arg)) continue;
    draft.properties[key] = mirror(draft, key, describeProperty(schema, arg), arg);
    if (body.required && required && arg?.default === undefined) draft.required.push(key);
  }
}

const none: readonly never[] = [];
/** One for all. */
const fromModel: Place["source"] = { kind: "model" };

function onWire({ mediaType, contentType, fields, positions }: Body): WireBody {
  return { mediaType, contentType, fields, positions };
}

function parameterOnWire({ name, in: where, encoding, schema }: Parameter): WireParameter {
  return { name, in: where, encoding, type: schema["type"], default: schema["default"] };
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
  readonly headers: ParamHeader[];
  readonly schemas: SchemaPool;
}

function addParameter(draft: Draft, { name, parameter }: Slot, arg: ArgConfig | undefined): void {
  const source = arg?.source ?? fromModel;
  const key = arg?.name ?? name;
  draft.places.push({
    key: source.kind === "model" ? key : `${parameter.in}:${parameter.name}`,
    source,
    default: arg?.default,
    target: { kind: "parameter", parameter: parameterOnWire(parameter) },
  });
  if (source.kind !== "model") return;
  if (!claimName(draft, key, arg)) return;
  draft.properties[key] = mirror(draft, key, describeParameter(parameter, arg), arg);
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
  const target = { kind: "body" as const, body: onWire(body) };
  if (arg !== undefined && arg.source.kind !== "model") {
    draft.places.unshift({ key: "body:", source: arg.source, default: undefined, target });
    return;
  }
  if (schema === undefined) return;
  const key = arg?.name ?? name;
  // First, so that what the gateway fills in comes on top of what the model gave.
  draft.places.unshift({ key, source: fromModel, default: arg?.default, target });
  if (!claimName(draft, key, arg)) return;
  const description = arg?.description ?? (schema["description"] ? "" : body.description);
  draft.properties[key] = description ? { ...schema, description } : schema;
  if (required && arg?.default === undefined) draft.required.push(key);
}

const mirrored = new Set<JsonValue | undefined>(["string", "boolean", "integer"]);

/**
 * The schema with `x-mcp-header`, where the rule wants one. Clients drop a tool that breaks the rules
 * for it (MCP 2026-07-28, "Custom headers from tool parameters"), so breaking one is an error here.
 */
function mirror(
  draft: Draft,
  argument: string,
  schema: JsonSchema,
  arg: ArgConfig | undefined,
): JsonSchema {
  if (arg?.header === undefined) return schema;
  const { $ref: _ref, ...beside } = schema;
  // Clients look for the keyword without following references.
  const own = { ...resolveRoot(schema, draft.schemas), ...beside };
  const header = `mcp-param-${arg.header.toLowerCase()}`;
  const fault = mirrored.has(own["type"])
    ? draft.headers.some((other) => other.header === header) && "another argument has it"
    : "only a text, an integer or a boolean can be a header";
  if (fault !== false) draft.issues.push(refuseHeader(argument, arg, fault));
  draft.headers.push({ argument, header });
  return { ...own, "x-mcp-header": arg.header };
}

function refuseHeader(argument: string, arg: ArgConfig, reason: string): Issue {
  return {
    severity: "error",
    code: "bad_header",
    message: `${JSON.stringify(argument)} cannot be the header ${JSON.stringify(arg.header)}: ${reason}`,
    position: arg.position,
    help: undefined,
  };
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
 * as suffix, then a number. So does any whose name a property of a taken apart body has.
 */
function nameParameters(parameters: readonly Parameter[], taken: Set<string>): Slot[] {
  const inPathFirst = parameters.toSorted(
    (a, b) => Number(b.in === "path") - Number(a.in === "path"),
  );
  const names = new Map<Parameter, string>();
  for (const parameter of inPathFirst) {
    // The whole query has no name on the wire.
    const bare = parameter.in === "querystring" ? "query" : argumentName(parameter.name);
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
  body: {
    readonly name: string;
    readonly schema: JsonObject | undefined;
    readonly fields: readonly Field[] | undefined;
  },
): Claims {
  const parameters = new Map<string, ArgConfig>();
  const properties = new Map<string, ArgConfig>();
  let whole: ArgConfig | undefined;
  const issues: Issue[] = [];
  const known =
    body.schema && isJsonObject(body.schema["properties"]) ? body.schema["properties"] : {};
  for (const [key, arg] of rule.args) {
    const field = body.fields?.find(({ name, property }) => name === key || property === key);
    const slot = findSlot(slots, key, field === undefined);
    const property = key.startsWith(`${body.name}.`) ? key.slice(body.name.length + 1) : key;
    if (slot) parameters.set(slot.name, arg);
    else if (field) properties.set(field.property, arg);
    else if (body.fields === undefined && body.schema && key === body.name) {
      whole = arg;
      if (arg.header !== undefined) issues.push(refuseHeader(key, arg, "it is the whole body"));
    } else if (Object.hasOwn(known, property)) {
      properties.set(property, arg);
      issues.push(...refuseOwn(key, arg));
    } else {
      issues.push(
        refuseUnknown(key, arg, [...slots.map(({ name }) => name), ...Object.keys(known)]),
      );
    }
  }
  return { parameters, properties, body: whole, issues };
}

/** By argument name, or by wire name where only one parameter has it and no property either. */
function findSlot(slots: readonly Slot[], key: string, byWireName: boolean): Slot | undefined {
  const named = slots.find(({ name }) => name === key);
  if (named !== undefined || !byWireName) return named;
  const wired = slots.filter((slot) => slot.parameter.name === key);
  return wired.length === 1 ? wired[0] : undefined;
}

function refuseUnknown(key: string, arg: ArgConfig, names: readonly string[]): Issue {
  const suggestion = nearest(key, names);
  return {
    severity: "error",
    code: "unknown_argument",
    message: `${JSON.stringify(key)} is no parameter or body property of this operation`,
    position: arg.position,
    help: suggestion === undefined ? listOf(names) : `did you mean ${JSON.stringify(suggestion)}?`,
  };
}

/** What only an argument of its own can have. */
function refuseOwn(key: string, arg: ArgConfig): readonly Issue[] {
  const issues: Issue[] = [];
  if (arg.header !== undefined) issues.push(refuseHeader(key, arg, "it is inside the body"));
  if (arg.name !== undefined) {
    issues.push({
      severity: "error",
      code: "not_renamable",
      message: `${JSON.stringify(key)} is a property of the body and keeps its name`,
      position: arg.position,
      help: "flattenBody: true makes it an argument of its own",
    });
  }
  return issues;
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
