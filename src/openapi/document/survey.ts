import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { formatPointer, type Pointer } from "./node.ts";
import type { Source } from "./source.ts";
import { absolute } from "./uri.ts";

/** A reference to somewhere else: the URI of that document, and where the reference stands. */
interface Outgoing {
  readonly uri: string;
  readonly at: Pointer;
}

/** What one walk over every document finds out. */
export interface Survey {
  /** The absolute URI that a `$ref` at this place is relative to (RFC 3986 §5.1). */
  readonly baseAt: (at: Pointer) => string | undefined;
  /** The document or the schema resource (`$id`) that has this URI; also an `$id` as written. */
  readonly find: (uri: string) => Pointer | undefined;
  /** `$anchor` and `$dynamicAnchor` within a document or resource, then anywhere in its document. */
  readonly anchorIn: (resource: Pointer, name: string) => Pointer | undefined;
  /** Schema resources around a place, nearest first; the document itself is not among them. */
  readonly resourcesAround: (at: Pointer) => readonly Pointer[];
  /** Anchors written more than once cannot be told apart in one tool. */
  readonly repeatedAnchors: ReadonlySet<string>;
  /** Schema dialects that schemas and documents name (`$schema`, `jsonSchemaDialect`). */
  readonly dialects: ReadonlySet<string>;
}

/** A survey that grows by one document after the other. */
export interface GrowingSurvey extends Survey {
  readonly add: (source: Source<JsonValue>, at: Pointer) => void;
  /** One more URI of a document. */
  readonly name: (uri: string, document: Pointer) => void;
  readonly known: (uri: string) => boolean;
  readonly outgoing: (document: Pointer) => readonly Outgoing[];
}

/** Visits every container once, however many aliases lead to it. The parsers bound the nesting. */
export function createSurvey(): GrowingSurvey {
  const found = new Map<string, Pointer>();
  /** Documents and resources by `formatPointer`. */
  const bases = new Map<string, string | undefined>();
  const anchors = new Map<string, Pointer>();
  const names = new Set<string>();
  const repeatedAnchors = new Set<string>();
  const dialects = new Set<string>();
  const outgoing = new Map<string, Map<string, Pointer>>();
  let documents = 0;

  const visitDocument = (source: Source<JsonValue>, document: Pointer): void => {
    const at = [...document];
    const key = formatPointer(document);
    const leaving = new Map<string, Pointer>();
    outgoing.set(key, leaving);
    const note = (keyword: string, value: string, scope: Resource): void => {
      if (keyword === "$ref") {
        const uri = value.startsWith("#") ? undefined : absolute(value, scope.base);
        if (uri !== undefined && !leaving.has(uri)) leaving.set(uri, [...at]);
      } else if (keyword === "$schema") dialects.add(value);
      else if (keyword === "$anchor" || keyword === "$dynamicAnchor") {
        if (names.has(value)) repeatedAnchors.add(value);
        names.add(value);
        for (const owner of [scope.key, key])
          if (!anchors.has(`${owner}#${value}`)) anchors.set(`${owner}#${value}`, [...at]);
      }
    };
    const enterResource = (id: string, scope: Resource): Resource => {
      const base = absolute(id, scope.base) ?? scope.base;
      const resource = { key: formatPointer(at), base };
      for (const uri of [base, id])
        if (uri !== undefined && !found.has(uri)) found.set(uri, [...at]);
      bases.set(resource.key, base);
      return resource;
    };
    const seen = new Set<object>();
    const visit = (value: JsonObject, outer: Resource): void => {
      if (seen.has(value)) return;
      seen.add(value);
      const id = value["$id"];
      const scope = typeof id === "string" && at.length > 0 ? enterResource(id, outer) : outer;
      for (const name of Object.keys(value)) {
        const inner = value[name];
        if (typeof inner === "string" && name.startsWith("$")) note(name, inner, scope);
        if (typeof inner !== "object" || inner === null) continue;
        at.push(name);
        visit(inner as JsonObject, scope);
        at.pop();
      }
    };
    const { root } = source;
    const schemaDialect = isJsonObject(root) ? root["jsonSchemaDialect"] : undefined;
    if (typeof schemaDialect === "string") dialects.add(schemaDialect);
    visit(root as JsonObject, { key, base: source.base });
  };

  const resourcesAround: Survey["resourcesAround"] = (at) => {
    if (bases.size === documents) return [];
    const around = [at, ...at.map((_, i) => at.slice(0, at.length - 1 - i))];
    return around.filter((place) => bases.has(formatPointer(place)));
  };

  return {
    add(source, at) {
      documents++;
      bases.set(formatPointer(at), source.base);
      for (const uri of [source.uri, source.base]) if (!found.has(uri)) found.set(uri, at);
      visitDocument(source, at);
    },
    name(uri, document) {
      if (!found.has(uri)) found.set(uri, document);
    },
    known: (uri) => found.has(uri),
    outgoing: (document) =>
      [...(outgoing.get(formatPointer(document)) ?? [])].map(([uri, at]) => ({ uri, at })),
    baseAt: (at) => {
      const around = [at, ...at.map((_, i) => at.slice(0, at.length - 1 - i))];
      const key = around.map(formatPointer).find((place) => bases.has(place));
      return key === undefined ? undefined : bases.get(key);
    },
    find: (uri) => found.get(uri),
    anchorIn: (resource, name) => anchors.get(`${formatPointer(resource)}#${name}`),
    resourcesAround,
    repeatedAnchors,
    dialects,
  };
}

interface Resource {
  readonly key: string;
  readonly base: string | undefined;
}
