import type { Issue, Position } from "../base/issue.ts";
import type { JsonObject, JsonSchema } from "../base/json.ts";

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
  /** Component schemas by the name used in `#/$defs/NAME`; converted on first access. */
  readonly schemas: SchemaPool;
  readonly securitySchemes: ReadonlyMap<string, SecurityScheme>;
  /** Findings about the document as a whole; an operation's own are in `skipped`. */
  readonly warnings: readonly Issue[];
  /** Operations that cannot be converted, and why. */
  readonly skipped: readonly SkippedOperation[];
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
  /** The choices of media type, in order of preference; empty without a body. */
  readonly bodies: readonly Body[];
  readonly bodyRequired: boolean;
  readonly responses: readonly ResponseInfo[];
  /** Alternatives of scheme names with the scopes each asks for; `[]` = no security. */
  readonly security: readonly ReadonlyMap<string, readonly string[]>[];
  /** Effective servers (operation, path item, root), variables filled in, absolute or relative as written. */
  readonly servers: readonly string[];
  readonly position: Position;
  /** Findings about this operation that do not keep it from being served. */
  readonly warnings: readonly Issue[];
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
  | {
      readonly kind: "style";
      readonly style: Style;
      readonly explode: boolean;
      readonly allowReserved: boolean;
    }
  | { readonly kind: "content"; readonly mediaType: string };

export interface Body {
  /** Lower case, without parameters, e.g. `application/json`: what decides the encoding. */
  readonly mediaType: string;
  /** Content-Type as declared, parameters kept; a range (`*\/*`) becomes `application/json`. */
  readonly contentType: string;
  readonly schema: JsonSchema;
  readonly description: string;
  /** Per-property encoding of form and multipart bodies, as written. */
  readonly encoding: JsonObject;
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
