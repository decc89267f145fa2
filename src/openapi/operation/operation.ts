import type { Issue, Position } from "../../base/issue.ts";
import type { JsonSchema } from "../../base/json.ts";

/**
 * One OpenAPI document, read and made version-free: whatever 2.0, 3.0, 3.1 or 3.2 calls a thing,
 * it has one form here. Schemas are JSON Schema 2020-12 and refer to each other only as
 * `#/$defs/NAME`, where NAME is a key of `schemas`.
 */
export interface ApiDocument {
  /** Absolute path or URL. */
  readonly source: string;
  /** Every file that was read, for reload. */
  readonly files: readonly string[];
  readonly title: string;
  /** As written, e.g. `3.1.0`. */
  readonly version: string;
  readonly operations: readonly Operation[];
  readonly servers: Servers;
  /** Component schemas by the name used in `#/$defs/NAME`; converted on first access. */
  readonly schemas: SchemaPool;
  readonly securitySchemes: ReadonlyMap<string, SecurityScheme>;
  /** Findings about the document as a whole; an operation's own are in `skipped`. */
  readonly warnings: readonly Issue[];
  /** Operations that cannot be converted, and why. */
  readonly skipped: readonly SkippedOperation[];
  /** What the API calls instead of being called: never a tool. */
  readonly ignored: Ignored;
}

export interface Ignored {
  readonly webhooks: number;
  readonly callbacks: number;
}

export interface SchemaPool {
  readonly get: (name: string) => JsonSchema | undefined;
}

export interface SkippedOperation {
  readonly id: string | undefined;
  readonly method: string;
  readonly path: string;
  /** One warning, with the position of what cannot be converted. */
  readonly issue: Issue;
  readonly tags: readonly string[];
}

export interface Operation {
  /** operationId as written. */
  readonly id: string | undefined;
  /** Upper case, except for `additionalOperations`. */
  readonly method: string;
  /** Path template as written, without the base path, e.g. `/courses/{id}`; never with a query. */
  readonly path: string;
  /** Query text of the path key (`/x?Action=Y`), without `?`; empty if none. */
  readonly fixedQuery: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly deprecated: boolean;
  /** Path-item parameters overridden by the operation's own; path parameters in template order first. */
  readonly parameters: readonly Parameter[];
  /** What the schemas of its parameters and bodies refer to. */
  readonly schemas: SchemaPool;
  /** The choices of media type, in order of preference; empty without a body. */
  readonly bodies: readonly Body[];
  readonly bodyRequired: boolean;
  readonly responses: readonly ResponseInfo[];
  /** Converted when asked for; undefined: no success is declared as JSON with a schema. */
  readonly answer: () => Answer | undefined;
  /** Alternatives of scheme names with the scopes each asks for; `[]` = no security. */
  readonly security: readonly ReadonlyMap<string, readonly string[]>[];
  /** Effective servers: of the operation, else of its path item, else of the document. */
  readonly servers: Servers;
  readonly position: Position;
  /** Findings about this operation that do not keep it from being served. */
  readonly warnings: readonly Issue[];
}

export interface Servers {
  /** `operation`: the operation or its path item has servers of its own. */
  readonly scope: "document" | "operation";
  readonly list: readonly Server[];
}

export interface Server {
  /** As written: with `{variables}`, absolute or relative to `base`. */
  readonly url: string;
  /** 3.2; empty if none. */
  readonly name: string;
  readonly description: string;
  readonly variables: ReadonlyMap<string, ServerVariable>;
  /** URL of the document; undefined for a file. */
  readonly base: string | undefined;
}

interface ServerVariable {
  /** Undefined in a broken document. */
  readonly default: string | undefined;
  /** Empty: any value. */
  readonly allowed: readonly string[];
}

export type ParameterIn = "path" | "query" | "querystring" | "header" | "cookie";

export type Style =
  | "matrix"
  | "label"
  | "simple"
  | "form"
  | "spaceDelimited"
  | "pipeDelimited"
  | "tabDelimited"
  | "deepObject"
  | "cookie";

export interface Parameter {
  /** Name on the wire. */
  readonly name: string;
  readonly in: ParameterIn;
  /** Always true in a path. */
  readonly required: boolean;
  readonly description: string;
  readonly deprecated: boolean;
  readonly schema: JsonSchema;
  readonly encoding: ParameterEncoding;
}

/** How a parameter becomes text: by RFC 6570 style, or by a media type (`content`). */
export type ParameterEncoding =
  | StyleEncoding
  | {
      readonly kind: "content";
      readonly mediaType: string;
      /** Of a form: per property. */
      readonly fields: ReadonlyMap<string, FieldEncoding>;
    };

export interface StyleEncoding {
  readonly kind: "style";
  readonly style: Style;
  readonly explode: boolean;
  readonly allowReserved: boolean;
  /** How lists inside a list are joined, from outside in (2.0); what is deeper is JSON. */
  readonly itemStyles: readonly Style[];
}

export interface Body {
  /** Lower case, without parameters, e.g. `application/json`: what decides the encoding. */
  readonly mediaType: string;
  /** Content-Type as declared, parameters kept; a range only where files may have any type. */
  readonly contentType: string;
  readonly schema: JsonSchema;
  readonly description: string;
  /** Per property of a form or multipart body; what is not listed goes by its value. */
  readonly fields: ReadonlyMap<string, FieldEncoding>;
  /** Of a multipart body whose parts have places and no names (3.2). */
  readonly positions: Positions | undefined;
}

export interface Positions {
  readonly prefix: readonly PartEncoding[];
  /** Of every part after those. */
  readonly rest: PartEncoding;
}

export type PartEncoding = Pick<FieldEncoding, "contentType" | "headers" | "isFile">;

/** One property of a form, one part of a multipart body. */
export interface FieldEncoding {
  /** As declared: a list of media types and ranges; undefined: by the value. */
  readonly contentType: string | undefined;
  /** Declared by any of `style`, `explode`, `allowReserved`; then `contentType` does not count. */
  readonly style: StyleEncoding | undefined;
  /** Of the part: name and value, for those whose value the document fixes. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Its value, or each item of it, is a file as in a binary body. */
  readonly isFile: boolean;
}

/** The JSON of a success: its schema, and those it refers to. */
export interface Answer {
  readonly schema: JsonSchema;
  readonly schemas: SchemaPool;
}

export interface ResponseInfo {
  /** `200`, `2XX` (upper case) or `default`. */
  readonly status: string;
  /** Declared media types, lower case without parameters. */
  readonly mediaTypes: readonly string[];
  readonly description: string;
}

export type SecurityScheme =
  | { readonly kind: "apiKey"; readonly in: "header" | "query" | "cookie"; readonly name: string }
  | { readonly kind: "http"; readonly scheme: string }
  | { readonly kind: "oauth2" }
  | { readonly kind: "openIdConnect" }
  | { readonly kind: "mutualTLS" };
