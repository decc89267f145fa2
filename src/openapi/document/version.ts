import { ConfigError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import type { Warn } from "./finding.ts";
import type { Pointer } from "./node.ts";
import type { Source } from "./source.ts";

/** How one version of OpenAPI writes what the model has one form for. */
export interface Dialect {
  readonly name: "2.0" | "3.0" | "3.1" | "3.2";
  /** Where named schemas and security schemes are. */
  readonly schemas: Pointer;
  readonly securitySchemes: Pointer;
  /** Keys of a path item that hold operations, lower case. */
  readonly methods: readonly string[];
  /** The keyword that adds null to a type; 3.1 has type arrays. */
  readonly nullable: string | undefined;
  /** Whether keywords beside a schema's `$ref` count. Before 3.1 they do not. */
  readonly refSiblings: boolean;
  /** `jsonSchemaDialect`: what the document's schemas are written in, unless they say otherwise. */
  readonly schemaDialect: string | undefined;
}

/** The dialect of the document that a place stands in. */
export type DialectAt = (at: Pointer) => Dialect;

const methods = ["get", "put", "post", "delete", "options", "head", "patch"];
const components = {
  schemas: ["components", "schemas"],
  securitySchemes: ["components", "securitySchemes"],
};
const modern = { ...components, nullable: undefined, refSiblings: true };

const dialects: Readonly<Record<Dialect["name"], Omit<Dialect, "schemaDialect">>> = {
  "2.0": {
    name: "2.0",
    schemas: ["definitions"],
    securitySchemes: ["securityDefinitions"],
    methods,
    nullable: "x-nullable",
    refSiblings: false,
  },
  "3.0": {
    ...components,
    name: "3.0",
    methods: [...methods, "trace"],
    nullable: "nullable",
    refSiblings: false,
  },
  "3.1": { ...modern, name: "3.1", methods: [...methods, "trace"] },
  "3.2": { ...modern, name: "3.2", methods: [...methods, "trace", "query"] },
};

/** @throws ConfigError `not_openapi` or `unsupported_version`. */
export function detectVersion(source: Source, warn: Warn): { version: string; dialect: Dialect } {
  const swagger = written(source.root["swagger"]);
  if (swagger === "2.0" || swagger === "2")
    return { version: "2.0", dialect: { ...dialects["2.0"], schemaDialect: undefined } };
  const openapi = written(source.root["openapi"]);
  const version = openapi ?? swagger;
  if (version === undefined)
    throw refuse(source, "not_openapi", `${source.file} has neither "openapi" nor "swagger"`);
  const quoted = `"${escapeText(version, 32)}"`;
  const minor = openapi === undefined ? undefined : /^3\.(\d{1,3})(?:\.|$)/.exec(openapi)?.[1];
  if (minor === undefined)
    throw refuse(source, "unsupported_version", `OpenAPI version ${quoted} is not 2.0 or 3.x`);
  const known = dialects[`3.${minor}` as Dialect["name"]] as (typeof dialects)["3.0"] | undefined;
  if (known === undefined) {
    const message = `OpenAPI version ${quoted} is not known yet; it is read as 3.2`;
    warn({ code: "unknown_version", message, at: ["openapi"] });
  }
  const dialect = known ?? dialects["3.2"];
  const declared = dialect.refSiblings ? source.root["jsonSchemaDialect"] : undefined;
  const schemaDialect = typeof declared === "string" ? declared : undefined;
  return { version, dialect: { ...dialect, schemaDialect } };
}

/** Whether it says what it is: a part of a document does not. */
export function namesVersion({ root }: Source): boolean {
  return [root["swagger"], root["openapi"]].some((value) => written(value) !== undefined);
}

/** YAML reads an unquoted 2.0 or 3.1 as a number. */
function written(value: JsonValue | undefined): string | undefined {
  return typeof value === "number" || typeof value === "string" ? String(value) : undefined;
}

function refuse(source: Source, code: string, message: string): ConfigError {
  const position = source.positionOf([]);
  return new ConfigError([{ severity: "error", code, message, position, help: undefined }]);
}
