import { isJsonObject, type JsonObject, type JsonValue } from "../../src/base/json.ts";
import { kindOf } from "../../src/openapi/operation/media.ts";
import type { Tool, WireBody, WireParameter } from "../../src/tools/tool.ts";
import type { WireRequest } from "../../src/upstream/request/message.ts";
import { readStyled, type Shape, type Text, type Wire } from "./read-style.ts";
import { pairOf, readMember, splitParts } from "./read-parts.ts";

/** Two readings of one argument: what was given and what a server would find in the request. */
export interface Reading {
  readonly argument: string;
  readonly given: unknown;
  readonly found: unknown;
}

/**
 * Reads a request back into arguments, by the rules of the specification and not by the code that
 * built it. Styles turn everything into text, so both sides are compared as text.
 *
 * @param basePath What stands before the path template.
 */
export function readBack(
  tool: Tool,
  args: JsonObject,
  request: WireRequest,
  basePath: string,
): readonly Reading[] {
  const wire = split(tool, request, basePath);
  return tool.places.flatMap(({ key, source, target }) => {
    const value = args[key];
    if (source.kind !== "model" || value === undefined) return [];
    if (target.kind === "parameter") return [readParameter(key, value, target.parameter, wire)];
    return target.kind === "body"
      ? [{ argument: key, ...readBody(value, target.body, request) }]
      : [];
  });
}

interface Pieces {
  readonly path: ReadonlyMap<string, string>;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
}

function split(tool: Tool, request: WireRequest, basePath: string): Pieces {
  const [path = "", query = ""] = request.path.split(/\?(.*)/s);
  const names: string[] = [];
  const pattern = tool.operation.path
    .split(/\{\+?([^}=]+)(?:=[^}]*)?\}/)
    .map((part, i) => {
      if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      names.push(part);
      return "([^/]*?)";
    })
    .join("");
  const match = new RegExp(`^${basePath}${pattern}$`).exec(path);
  if (match === null) throw new Error(`${path} is not ${tool.operation.path}`);
  const headers = new Map<string, string>();
  for (let i = 0; i < request.headers.length; i += 2) {
    headers.set(request.headers[i] ?? "", request.headers[i + 1] ?? "");
  }
  return { path: new Map(names.map((name, i) => [name, match[i + 1] ?? ""])), query, headers };
}

function readParameter(
  argument: string,
  given: JsonValue,
  parameter: WireParameter,
  { path, query, headers }: Pieces,
): Reading {
  const { name, encoding } = parameter;
  const wires: Readonly<Record<WireParameter["in"], Wire>> = {
    path: { whole: path.get(name), pairs: [], decode: decodeURIComponent },
    query: { whole: undefined, pairs: query.split("&"), decode: decodeURIComponent },
    querystring: { whole: query, pairs: query.split("&"), decode: decodeForm },
    header: { whole: headers.get(name.toLowerCase()), pairs: [], decode: (text) => text },
    cookie: {
      whole: undefined,
      pairs: (headers.get("cookie") ?? "").split("; "),
      decode:
        encoding.kind === "style" && encoding.style === "cookie"
          ? (text) => text
          : decodeURIComponent,
    },
  };
  const wire = wires[parameter.in];
  if (encoding.kind === "style") return { argument, ...readAs({ ...encoding, name }, given, wire) };
  if (parameter.in === "querystring" && encoding.mediaType.includes("form")) {
    const shape = { name: "", style: "form", explode: true } as const;
    return { argument, ...readAs(shape, given, wire) };
  }
  const json = wire.whole === undefined ? readText(name, wire) : wire.decode(wire.whole);
  return { argument, given, found: JSON.parse(json) };
}

function readText(name: string, wire: Wire): string {
  return readStyled({ name, style: "form", explode: false }, "", wire) as string;
}

function decodeForm(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function readAs(shape: Shape, given: JsonValue, wire: Wire): Omit<Reading, "argument"> {
  const isDeep = shape.style === "deepObject" && isJsonObject(given);
  // A space between words and one between items are the same on the wire (OAS 3.2 §4.12.2.2).
  if (shape.style === "spaceDelimited" && !shape.explode && JSON.stringify(given).includes(" ")) {
    return {
      given: spaced(spellFlat(given)),
      found: readStyled({ ...shape, style: "form" }, "", wire),
    };
  }
  return {
    given: isDeep ? spellDeep(given) : spellFlat(given),
    found: readStyled(shape, given, wire),
  };
}

function spaced(text: Text | undefined): string | undefined {
  if (typeof text !== "object") return text;
  return (Array.isArray(text) ? text : Object.entries(text).flat()).join(" ");
}

function spellScalar(value: JsonValue): string {
  if (typeof value === "string") return value;
  return Number.isInteger(value) ? BigInt(value as number).toString() : JSON.stringify(value);
}

/** As a style sees it: one level, nothing that is null, nothing for nothing. */
function spellFlat(value: JsonValue): Text | undefined {
  if (value === null) return undefined;
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).filter((item) => item !== null);
    return items.length === 0 ? undefined : items.map(spellScalar);
  }
  if (!isJsonObject(value)) return spellScalar(value);
  const members = Object.entries(value).filter(([, member]) => member !== null);
  if (members.length === 0) return undefined;
  return Object.fromEntries(members.map(([name, member]) => [name, spellScalar(member)]));
}

function spellDeep(value: JsonValue): Text | undefined {
  if (value === null) return undefined;
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).flatMap((item) => spellDeep(item) ?? []);
    return items.length > 1 ? items : items[0];
  }
  if (!isJsonObject(value)) return spellScalar(value);
  const members = Object.entries(value).flatMap(([name, member]) => {
    const text = spellDeep(member);
    return text === undefined ? [] : [[name, text] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

function readBody(
  given: JsonValue,
  body: WireBody,
  { body: sent, headers }: WireRequest,
): Omit<Reading, "argument"> {
  const bytes = Buffer.from(sent ?? "");
  const text = bytes.toString();
  switch (kindOf(body.mediaType).kind) {
    case "json":
      return { given, found: JSON.parse(text) };
    case "text":
    case "xml":
      return { given, found: text };
    case "binary":
      return { given: (given as JsonObject)["data"], found: bytes.toString("base64") };
    case "lines":
      return {
        given,
        found: text
          .split("\n")
          .filter((line) => line !== "")
          .map((line): unknown => JSON.parse(line.replace("\u001e", ""))),
      };
    case "form":
      return readForm(given as JsonObject, body, text);
    case "multipart": {
      const type = headers[headers.indexOf("content-type") + 1] ?? "";
      return readMultipart(given as JsonObject, body, splitParts(type, bytes));
    }
    case "positional":
    case "unsupported":
      throw new Error(`${body.mediaType} was sent`);
  }
}

/** Member by member: a list repeats its name, an object is JSON, unless `encoding` names a style. */
function readForm(given: JsonObject, body: WireBody, text: string): Omit<Reading, "argument"> {
  const pairs = text.split("&");
  const wire: Wire = { whole: undefined, pairs, decode: decodeForm };
  const members = Object.entries(given).map(([name, member]) => {
    const styled = body.fields.get(name)?.style;
    const { style, explode } = styled ?? { style: "form", explode: true };
    if (styled !== undefined || Array.isArray(member) || !isJsonObject(member)) {
      return [name, readAs({ name, style, explode }, member, wire)] as const;
    }
    const found: unknown = JSON.parse(readText(name, wire));
    return [name, { given: member, found }] as const;
  });
  return besides(members);
}

function readMultipart(
  given: JsonObject,
  body: WireBody,
  parts: ReturnType<typeof splitParts>,
): Omit<Reading, "argument"> {
  const decode = (text: string): string => text.replaceAll("%20", " ").replaceAll("%7C", "|");
  const wire: Wire = { whole: undefined, pairs: parts.map(pairOf), decode };
  const members = Object.entries(given).map(([name, member]) => {
    const style = body.fields.get(name)?.style;
    const reading =
      style === undefined
        ? readMember(name, member, parts)
        : readAs({ ...style, name }, member, wire);
    return [name, reading] as const;
  });
  return besides(members);
}

function besides(
  members: readonly (readonly [string, Omit<Reading, "argument">])[],
): Omit<Reading, "argument"> {
  return {
    given: Object.fromEntries(members.map(([name, reading]) => [name, reading.given])),
    found: Object.fromEntries(members.map(([name, reading]) => [name, reading.found])),
  };
}
