import { CallError } from "../base/errors.ts";
import type { JsonObject, JsonValue } from "../base/json.ts";
import { isJsonObject } from "../base/json.ts";
import type { Parameter } from "../openapi/operation.ts";
import type { Place, Tool } from "../tools/tool.ts";
import type { Values } from "../tools/values.ts";
import { compileBody } from "./body.ts";
import { compileHeader } from "./header.ts";
import type { WireRequest } from "./message.ts";
import { compilePath } from "./path.ts";
import { compileStyle } from "./style.ts";
import {
  encodeFormText,
  encodeReserved,
  encodeText,
  refusing,
  reservedInQuery,
} from "./text-encoding.ts";

/** What a credential adds to a request. */
export interface CredentialParts {
  /** Name, value, name, value, … */
  readonly headers: readonly string[];
  /** Encoded `name=value`, or the empty string. */
  readonly query: string;
  /** `name=value`, or the empty string. */
  readonly cookie: string;
}

/** Pure. @throws CallError `invalid_arguments` for a value that cannot go where it has to. */
export type BuildRequest = (values: Values, credential: CredentialParts) => WireRequest;

/** Adds one value to what is being built. */
type Write = (value: JsonValue, draft: Draft) => void;

interface Draft {
  query: string;
  cookie: string;
  readonly headers: string[];
  body: JsonValue | undefined;
}

/**
 * Turns the places of a tool into writers, once, at load.
 *
 * @param basePath Path of the API's base URL, without trailing slash.
 */
export function compileRequest(tool: Tool, basePath: string, userAgent: string): BuildRequest {
  const { operation, places } = tool;
  const inPath = places.flatMap((place, index) => {
    const parameter = parameterOf(place);
    return parameter?.in === "path" ? [{ index, argument: place.key, parameter }] : [];
  });
  const path = compilePath(basePath, operation.path, inPath);
  const writers = places.flatMap((place, index) => {
    const write = compileWriter(place);
    return write === undefined ? [] : [{ index, write }];
  });
  const body = places.find(({ target }) => target.kind !== "parameter")?.target;
  const encodeBody = body && body.kind !== "parameter" ? compileBody(body.body) : undefined;
  const contentType = body && body.kind !== "parameter" ? body.body.contentType : "";
  // Decompressing costs more than an internal network does.
  const common = ["accept", acceptOf(tool), "accept-encoding", "identity"];
  common.push("user-agent", userAgent);
  const { method, fixedQuery } = operation;
  return (values, credential) => {
    const draft: Draft = { query: fixedQuery, cookie: "", headers: [...common], body: undefined };
    for (const { index, write } of writers) {
      const value = values[index];
      if (value !== undefined && value !== null) write(value, draft);
      else if (value === null && places[index]?.target.kind !== "parameter") write(value, draft);
    }
    if (credential.query !== "") addPair(draft, credential.query);
    if (credential.cookie !== "") addCookie(draft, credential.cookie);
    draft.headers.push(...credential.headers);
    if (draft.cookie !== "") draft.headers.push("cookie", draft.cookie);
    const sent = draft.body === undefined ? undefined : encodeBody?.(draft.body);
    if (sent !== undefined) draft.headers.push("content-type", contentType);
    const built = path(inPath.map(({ index }) => values[index]));
    return {
      method,
      path: draft.query === "" ? built : `${built}?${draft.query}`,
      headers: draft.headers,
      body: sent,
    };
  };
}

function parameterOf(place: Place): Parameter | undefined {
  return place.target.kind === "parameter" ? place.target.parameter : undefined;
}

function compileWriter(place: Place): Write | undefined {
  const { target, key, source } = place;
  if (target.kind === "body") return (value, draft) => void (draft.body = value);
  if (target.kind === "property") {
    const { name } = target;
    const overrides = source.kind !== "model";
    return (value, draft) => {
      const body: JsonObject = isJsonObject(draft.body) ? draft.body : {};
      if (overrides || !Object.hasOwn(body, name)) draft.body = { ...body, [name]: value };
    };
  }
  return compileParameter(key, target.parameter);
}

function compileParameter(argument: string, parameter: Parameter): Write | undefined {
  switch (parameter.in) {
    case "path":
      return undefined;
    case "header": {
      const expand = compileHeader(argument, parameter);
      return (value, draft) => {
        const text = expand(value);
        if (text !== undefined) draft.headers.push(parameter.name.toLowerCase(), text);
      };
    }
    case "cookie": {
      const expand = compileCookie(argument, parameter);
      return (value, draft) => {
        const text = expand(value);
        if (text !== undefined) addCookie(draft, text);
      };
    }
    case "query":
    case "querystring": {
      const expand = parameter.in === "query" ? compileQuery(parameter) : wholeQuery(parameter);
      return (value, draft) => {
        const text = refusing(argument, () => expand(value));
        if (text !== undefined) addPair(draft, text);
      };
    }
  }
}

function compileQuery(parameter: Parameter): (value: JsonValue) => string | undefined {
  const { encoding, name } = parameter;
  if (encoding.kind === "content") {
    const label = `${encodeText(name)}=`;
    return (value) => label + encodeText(JSON.stringify(value));
  }
  const encode = encoding.allowReserved
    ? (text: string) => encodeReserved(text, reservedInQuery)
    : encodeText;
  return compileStyle({ ...encoding, name, encode, between: "&" });
}

/** `in: querystring` (OAS 3.2): the argument is the whole query. */
function wholeQuery(parameter: Parameter): (value: JsonValue) => string | undefined {
  const { encoding } = parameter;
  const form =
    encoding.kind === "content" && encoding.mediaType === "application/x-www-form-urlencoded";
  if (!form)
    return (value) => encodeText(typeof value === "string" ? value : JSON.stringify(value));
  return compileStyle({
    name: "",
    style: "form",
    explode: true,
    encode: encodeFormText,
    between: "&",
  });
}

function compileCookie(
  argument: string,
  parameter: Parameter,
): (value: JsonValue) => string | undefined {
  const { encoding, name } = parameter;
  if (encoding.kind === "content") {
    return (value) => `${encodeText(name)}=${encodeText(JSON.stringify(value))}`;
  }
  const verbatim = encoding.style === "cookie";
  const encode = verbatim ? (text: string) => refuseCookieText(argument, text) : encodeText;
  const expand = compileStyle({ ...encoding, name, encode, between: "; " });
  return (value) => refusing(argument, () => expand(value));
}

/** `style: cookie` sends values as they are, so nothing may end the pair or the header. */
function refuseCookieText(argument: string, text: string): string {
  if (/^[\u0021-\u003a\u003c-\u007e]*$/.test(text)) return text;
  throw new CallError(
    "invalid_arguments",
    `${argument} must not have spaces, semicolons, control characters or characters outside ASCII: it is sent as a cookie`,
  );
}

function addPair(draft: Draft, text: string): void {
  draft.query = draft.query === "" ? text : `${draft.query}&${text}`;
}

function addCookie(draft: Draft, text: string): void {
  draft.cookie = draft.cookie === "" ? text : `${draft.cookie}; ${text}`;
}

/** Declared JSON types first, the rest after them, anything last. */
function acceptOf(tool: Tool): string {
  const types = new Set(
    tool.operation.responses
      .filter(({ status }) => status.startsWith("2") || status === "default")
      .flatMap(({ mediaTypes }) => mediaTypes),
  );
  const json = [...types].filter((type) => /json/.test(type) && !type.includes("*"));
  const others = [...types].filter((type) => !json.includes(type) && !type.includes("*"));
  const first = json.length > 0 ? json : types.size === 0 ? ["application/json"] : [];
  const weighed = others.map((type) => (first.length > 0 ? `${type};q=0.8` : type));
  return [...first, ...weighed, "*/*;q=0.1"].join(", ");
}
