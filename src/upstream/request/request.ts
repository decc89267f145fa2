import { CallError } from "../../base/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { Place, Tool, WireParameter } from "../../tools/tool.ts";
import type { Values } from "../../tools/values.ts";
import { compileBody } from "./body.ts";
import { compileCookie, compileQuery, namesOf } from "./pairs.ts";
import { compileHeader } from "./header.ts";
import type { WireRequest } from "./message.ts";
import { compilePath } from "./path.ts";
import type { DeepLists } from "./style.ts";
import { encodeLiteral, refusing } from "./text-encoding.ts";

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

/** What is the same for every tool of an API. */
export interface ApiShape {
  /** Path of the API's base URL, without trailing slash. */
  readonly basePath: string;
  readonly userAgent: string;
  readonly deepLists: DeepLists;
}

/** Adds one value to what is being built. */
type Write = (value: JsonValue, draft: Draft) => void;

interface Draft {
  query: string;
  cookie: string;
  readonly headers: string[];
  body: JsonValue | undefined;
  /** Names that members of objects brought into the query and the cookie; undefined: none. */
  brought: Brought | undefined;
}

interface Brought {
  readonly query: Set<string>;
  readonly cookie: Set<string>;
}

/** Turns the places of a tool into writers, once, at load. */
export function compileRequest(tool: Tool, api: ApiShape): BuildRequest {
  const { operation, places } = tool;
  const inPath = places.flatMap((place, index) => {
    const parameter = parameterOf(place);
    return parameter?.in === "path" ? [{ index, argument: place.key, parameter }] : [];
  });
  const path = compilePath(api.basePath, operation.path, inPath);
  const fixedQuery = encodeLiteral(operation.fixedQuery);
  const writers = places.flatMap((place, index) => {
    const write = compileWriter(place, { tool, fixedQuery, deepLists: api.deepLists });
    return write === undefined ? [] : [{ index, write }];
  });
  const encodeBody = compileWhole(places, api.deepLists);
  const complete = compileDefaults(tool, api.userAgent);
  const { method } = operation;
  return (values, credential) => {
    const draft: Draft = {
      query: fixedQuery,
      cookie: "",
      headers: [],
      body: undefined,
      brought: undefined,
    };
    for (const { index, write } of writers) {
      const value = values[index];
      if (value !== undefined && value !== null) write(value, draft);
      else if (value === null && places[index]?.target.kind !== "parameter") write(value, draft);
    }
    addCredential(draft, credential);
    if (draft.cookie !== "") draft.headers.push("cookie", draft.cookie);
    const encoded = draft.body === undefined ? undefined : encodeBody?.(draft.body);
    if (encoded !== undefined) draft.headers.push("content-type", encoded.contentType);
    const built = path(inPath.map(({ index }) => values[index]));
    return {
      method,
      path: draft.query === "" ? built : `${built}?${draft.query}`,
      headers: complete(draft.headers),
      body: encoded?.body,
    };
  };
}

function parameterOf(place: Place): WireParameter | undefined {
  return place.target.kind === "parameter" ? place.target.parameter : undefined;
}

function compileWhole(
  places: readonly Place[],
  deepLists: DeepLists,
): ReturnType<typeof compileBody> | undefined {
  for (const { key, source, target } of places) {
    if (target.kind === "body" || (target.kind === "property" && target.own))
      return compileBody(source.kind === "model" ? key : "body", target.body, deepLists);
    // Another place of one property is called `body.name`.
    if (target.kind === "property")
      return compileBody(key.slice(0, -target.name.length - 1), target.body, deepLists);
  }
  return undefined;
}

/** Headers that go with every request, unless an argument says otherwise. */
function compileDefaults(
  tool: Tool,
  userAgent: string,
): (headers: readonly string[]) => readonly string[] {
  const defaults = [
    ["accept", acceptOf(tool)],
    // Decompressing costs more than an internal network does.
    ["accept-encoding", "identity"],
    ["user-agent", userAgent],
  ] as const;
  const flat = defaults.flat();
  const declared = tool.places.some((place) => {
    const parameter = parameterOf(place);
    const name = parameter?.in === "header" ? parameter.name.toLowerCase() : undefined;
    return defaults.some(([known]) => known === name);
  });
  if (!declared) return (headers) => (headers.length === 0 ? flat : [...flat, ...headers]);
  return (headers) => [
    ...defaults.filter(([name]) => !headers.some((h, i) => i % 2 === 0 && h === name)).flat(),
    ...headers,
  ];
}

interface Around {
  readonly tool: Tool;
  readonly fixedQuery: string;
  readonly deepLists: DeepLists;
}

function compileWriter(place: Place, around: Around): Write | undefined {
  const { target, source } = place;
  if (target.kind === "body") return (value, draft) => void (draft.body = value);
  if (target.kind === "property") {
    const { name } = target;
    const overrides = source.kind !== "model";
    return (value, draft) => {
      const body: JsonObject = isJsonObject(draft.body) ? draft.body : {};
      if (overrides || !Object.hasOwn(body, name)) draft.body = { ...body, [name]: value };
    };
  }
  return compileParameter(place, target.parameter, around);
}

function compileParameter(
  place: Place,
  parameter: WireParameter,
  around: Around,
): Write | undefined {
  const argument = place.key;
  switch (parameter.in) {
    case "path":
      return undefined;
    case "header": {
      const expand = compileHeader(argument, parameter);
      const name = parameter.name.toLowerCase();
      return (value, draft) => {
        const text = expand(value);
        if (text !== undefined) draft.headers.push(name, text);
      };
    }
    case "cookie": {
      const expand = compileCookie(argument, parameter);
      const guard = compileGuard(place, "cookie", around);
      return (value, draft) => {
        const text = refusing(argument, () => expand(value));
        if (isJsonObject(value)) guard(text, broughtOf(draft).cookie);
        addCookie(draft, text);
      };
    }
    case "query":
    case "querystring": {
      const expand = compileQuery(parameter, around.deepLists);
      const guard = compileGuard(place, "query", around);
      return (value, draft) => {
        const text = refusing(argument, () => expand(value));
        if (isJsonObject(value)) guard(text, broughtOf(draft).query);
        addPair(draft, text);
      };
    }
  }
}

/**
 * Members of an exploded object become names of their own, so the model could give a name that
 * belongs to another argument: one that it may not set, perhaps. Servers differ in the case they
 * see and in which of two they read.
 */
function compileGuard(
  place: Place,
  where: "query" | "cookie",
  { tool, fixedQuery }: Around,
): (text: string, brought: Set<string>) => void {
  const taken = where === "query" ? namesOf(fixedQuery, "&") : new Set<string>();
  for (const other of tool.places) {
    const parameter = other === place ? undefined : parameterOf(other);
    if (parameter?.in === where) taken.add(parameter.name.toLowerCase());
  }
  return (text, brought) => {
    for (const name of namesOf(text, where === "query" ? "&" : ";")) {
      if (taken.has(name)) throw refuseName(place.key);
      brought.add(name);
    }
  };
}

function refuseName(argument: string): CallError {
  return new CallError(
    "invalid_arguments",
    `${argument} must not have a member that is called like another parameter`,
  );
}

/** A namesake of the credential does not get through: two of one name, and servers differ in which they read. */
function addCredential(draft: Draft, { query, cookie, headers }: CredentialParts): void {
  if (query !== "") {
    const names = namesOf(query, "&");
    claim(draft.brought?.query, names);
    draft.query = without(draft.query, "&", names);
    addPair(draft, query);
  }
  if (cookie !== "") {
    const names = namesOf(cookie, ";");
    claim(draft.brought?.cookie, names);
    draft.cookie = without(draft.cookie, ";", names);
    addCookie(draft, cookie);
  }
  for (let i = draft.headers.length - 2; i >= 0; i -= 2)
    if (hasHeader(headers, draft.headers[i])) draft.headers.splice(i, 2);
  draft.headers.push(...headers);
}

function hasHeader(headers: readonly string[], name: string | undefined): boolean {
  return headers.some((header, i) => i % 2 === 0 && header === name);
}

function without(text: string, separator: "&" | ";", names: ReadonlySet<string>): string {
  const pairs = text.split(separator).map((pair) => pair.trim());
  const others = pairs.filter((pair) => ![...namesOf(pair, separator)].some((n) => names.has(n)));
  return others.join(separator === ";" ? "; " : separator);
}

function broughtOf(draft: Draft): Brought {
  draft.brought ??= { query: new Set(), cookie: new Set() };
  return draft.brought;
}

function claim(brought: ReadonlySet<string> | undefined, names: ReadonlySet<string>): void {
  for (const name of names) if (brought?.has(name)) throw refuseName("an argument");
}

function addPair(draft: Draft, text: string): void {
  if (text !== "") draft.query = draft.query === "" ? text : `${draft.query}&${text}`;
}

function addCookie(draft: Draft, text: string): void {
  if (text !== "") draft.cookie = draft.cookie === "" ? text : `${draft.cookie}; ${text}`;
}

/** Declared JSON types first, the rest after them, anything last. */
function acceptOf(tool: Tool): string {
  const types = new Set(tool.operation.successes.flatMap(({ mediaTypes }) => mediaTypes));
  const json = [...types].filter((type) => /json/.test(type) && !type.includes("*"));
  const others = [...types].filter((type) => !json.includes(type) && !type.includes("*"));
  const first = json.length > 0 ? json : types.size === 0 ? ["application/json"] : [];
  const weighed = others.map((type) => (first.length > 0 ? `${type};q=0.8` : type));
  return [...first, ...weighed, "*/*;q=0.1"].join(", ");
}
