import type { JsonSchema } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import { itemStylesOf, readFields } from "./field.ts";
import { refusedHeader } from "./header.ts";
import { mediaTypeOf } from "./media.ts";
import { fail, followOrFail, type Reading } from "./model.ts";
import { child, children, isTrue, member, type Node, textOf } from "../document/node.ts";
import type {
  Parameter,
  ParameterEncoding,
  ParameterIn,
  Style,
  StyleEncoding,
} from "./operation.ts";
import type { PathKey } from "./path.ts";
import { examplesOf } from "../schema/value.ts";
import { cleanDescription } from "../text.ts";

/** The path item's parameters overridden by the operation's own, references followed. */
export function effectiveParameters(
  lists: readonly (Node | undefined)[],
  reading: Reading,
): readonly Node[] {
  const effective = new Map<string, Node>();
  for (const list of lists) {
    for (const [, written] of children(list)) {
      const node = followOrFail(written, reading);
      const name = textOf(node, "name") ?? "";
      const where = textOf(node, "in") ?? "";
      // Header names are the only ones whose case does not count (RFC 9110 §5.1).
      effective.set(`${where} ${where === "header" ? name.toLowerCase() : name}`, node);
    }
  }
  return [...effective.values()];
}

/** @throws Unconvertible A parameter has no usable form, or its schema cannot be served. */
export function readParameters(
  nodes: readonly Node[],
  path: PathKey,
  reading: Reading,
): readonly Parameter[] {
  const inPath = new Map<string, Parameter>();
  const others: Parameter[] = [];
  const variables = new Map(path.variables.map((variable) => [variable.name, variable]));
  for (const node of nodes) {
    const where = locationOf(node, reading);
    const name = textOf(node, "name") ?? fail("bad_parameter", "a parameter has no name", node);
    if (where === "header" && isDropped(name, node, reading)) continue;
    if (where === "path" && !variables.has(name)) {
      const message = `the path has no variable "${escapeText(name, 64)}"; the parameter is left out`;
      reading.warn({ code: "parameter_not_in_path", message, at: node.at });
      continue;
    }
    const parameter = readParameter(node, { name, where }, reading);
    if (where === "path") inPath.set(name, parameter);
    else others.push(parameter);
  }
  const ordered = [...variables.values()].map(({ name, reserved }) => {
    const parameter = inPath.get(name) ?? synthesised(name, reading);
    return reserved ? withReserved(parameter, reading) : parameter;
  });
  return [...ordered, ...others];
}

const locations = new Set<string>(["path", "query", "querystring", "header", "cookie"]);

function locationOf(node: Node, { dialectAt }: Reading): ParameterIn {
  const where = textOf(node, "in") ?? "";
  if (!locations.has(where) || (where === "querystring" && dialectAt(node.at).name !== "3.2"))
    fail("bad_parameter", `a parameter is in "${escapeText(where, 32)}"`, node);
  return where as ParameterIn;
}

function isDropped(name: string, node: Node, reading: Reading): boolean {
  const refused = refusedHeader(name);
  if (refused === undefined) return false;
  const message = `the header "${escapeText(name, 64)}" is never an argument; it is left out`;
  if (refused === "dangerous") reading.warn({ code: "header_left_out", message, at: node.at });
  if (refused !== "malformed") return true;
  if (isTrue(node, "required")) fail("bad_parameter", "a required header has no legal name", node);
  reading.warn({ code: "header_left_out", message, at: node.at });
  return true;
}

function readParameter(
  node: Node,
  { name, where }: { name: string; where: ParameterIn },
  reading: Reading,
): Parameter {
  const [mediaType, content] = children(child(node, "content"))[0] ?? [];
  const holder = content === undefined ? node : followOrFail(content, reading);
  const schema = withExamples(schemaOf(holder, reading), [node, holder]);
  const described = textOf(node, "description") ?? schema["description"];
  if (textOf(node, "style") === "deepObject") checkDeepObject(name, schema, node, reading);
  return {
    name,
    in: where,
    required: where === "path" || isTrue(node, "required"),
    description: cleanDescription(typeof described === "string" ? described : ""),
    deprecated: isTrue(node, "deprecated"),
    schema,
    encoding:
      mediaType === undefined
        ? styleOf(node, where, reading)
        : contentOf(mediaTypeOf(mediaType), holder, reading),
  };
}

/** OpenAPI defines `deepObject` for objects only. */
function checkDeepObject(name: string, { type }: JsonSchema, node: Node, { warn }: Reading): void {
  if (typeof type !== "string" || type === "object") return;
  const message = `the style "deepObject" of "${escapeText(name, 64)}" says nothing about a value of type ${type}; it is sent as "form", exploded`;
  warn({ code: "deep_object_without_object", message, at: node.at });
}

function contentOf(mediaType: string, media: Node, reading: Reading): ParameterEncoding {
  const fields = { kind: "form", properties: {}, files: new Set<string>() } as const;
  return { kind: "content", mediaType, fields: readFields(media, fields, reading) };
}

function schemaOf(node: Node, reading: Reading): JsonSchema {
  const schema = child(node, "schema");
  if (schema !== undefined) return reading.schemas.inline(schema, reading.warn);
  const message = "a parameter has neither a schema nor content; it is read as a string";
  reading.warn({ code: "parameter_without_schema", message, at: node.at });
  return { type: "string" };
}

function withExamples(schema: JsonSchema, holders: readonly Node[]): JsonSchema {
  if (schema["examples"] !== undefined) return schema;
  const examples = holders.map(examplesOf).find((found) => found.length > 0);
  return examples === undefined ? schema : { ...schema, examples };
}

/** OAS 3.2 §4.12.2.2; the first of each is the default. */
const styles: Readonly<Record<ParameterIn, readonly Style[]>> = {
  path: ["simple", "label", "matrix"],
  query: ["form", "spaceDelimited", "pipeDelimited", "deepObject"],
  querystring: ["form"],
  header: ["simple"],
  cookie: ["form", "cookie"],
};

/** 2.0 joins lists in the same ways everywhere. */
const joined: readonly Style[] = ["spaceDelimited", "pipeDelimited", "tabDelimited"];

function styleOf(node: Node, where: ParameterIn, reading: Reading): ParameterEncoding {
  if (where === "querystring")
    fail("bad_parameter", "a querystring parameter has no content", node);
  const allowed =
    reading.dialectAt(node.at).name === "2.0" ? [...styles[where], ...joined] : styles[where];
  const written = textOf(node, "style");
  let style = allowed.find((name) => name === written);
  if (style === undefined) {
    style = allowed[0] as Style;
    if (written !== undefined) {
      const message = `the style "${escapeText(written, 32)}" does not exist in a ${where}; "${style}" is used`;
      reading.warn({ code: "unknown_style", message, at: node.at });
    }
  }
  const explode = member(node, "explode");
  return sharedStyle({
    kind: "style",
    style,
    explode: typeof explode === "boolean" ? explode : style === "form" || style === "cookie",
    allowReserved: isTrue(node, "allowReserved"),
    itemStyles: itemStylesOf(node, reading),
  });
}

const knownStyles = new Map<string, StyleEncoding>();

/** There are few combinations, and a parameter of each in nearly every operation. */
function sharedStyle(encoding: StyleEncoding): StyleEncoding {
  if (encoding.itemStyles.length > 0) return encoding;
  const key = `${encoding.style} ${encoding.explode} ${encoding.allowReserved}`;
  const known = knownStyles.get(key);
  if (known !== undefined) return known;
  knownStyles.set(key, encoding);
  return encoding;
}

function synthesised(name: string, reading: Reading): Parameter {
  const message = `the path variable "${escapeText(name, 64)}" is not declared; it is read as a string`;
  reading.warn({ code: "undeclared_path_parameter", message, at: reading.at });
  return {
    name,
    in: "path",
    required: true,
    description: "",
    deprecated: false,
    schema: { type: "string" },
    encoding: sharedStyle({
      kind: "style",
      style: "simple",
      explode: false,
      allowReserved: false,
      itemStyles: [],
    }),
  };
}

function withReserved(parameter: Parameter, reading: Reading): Parameter {
  const message = `the path variable "${escapeText(parameter.name, 64)}" is expanded with its slashes`;
  reading.warn({ code: "reserved_expansion", message, at: reading.at });
  const { encoding } = parameter;
  return encoding.kind === "style"
    ? { ...parameter, encoding: { ...encoding, allowReserved: true } }
    : parameter;
}

/** Credentials are the gateway's: a parameter that a security scheme already names is no argument. */
export function withoutCredentials(
  parameters: readonly Parameter[],
  schemeNames: Iterable<string>,
  { securitySchemes }: Reading,
): readonly Parameter[] {
  const taken = new Set<string>();
  for (const schemeName of schemeNames) {
    const scheme = securitySchemes.get(schemeName);
    if (scheme?.kind === "apiKey") taken.add(credentialKey(scheme.in, scheme.name));
  }
  return parameters.filter((parameter) => !taken.has(credentialKey(parameter.in, parameter.name)));
}

function credentialKey(where: string, name: string): string {
  return `${where} ${where === "header" ? name.toLowerCase() : name}`;
}
