import type { Position } from "../base/issue.ts";
import type { JsonObject, JsonSchema, JsonValue } from "../base/json.ts";
import type { ResponseConfig } from "../config/types/response.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { ArgIssue } from "./arg-issue.ts";
import type { Output } from "./output.ts";
import type { Body, Operation, Parameter, ResponseInfo } from "../openapi/operation/operation.ts";

/** One MCP tool: an operation as a rule of gateway.yaml shapes it. Immutable. */
export interface Tool {
  readonly name: string;
  readonly api: string;
  readonly operation: ServedOperation;
  /** Security schemes that the operation names and the API's credential does not supply. */
  readonly unmetSecurity: string | undefined;
  /**
   * Root is a plain object with `additionalProperties: false`; property names are argument names. Read
   * from `entry` when it is asked for: of a thousand tools most are never called.
   */
  readonly inputSchema: JsonSchema;
  /** Where every value goes on the wire; nothing is derived from names at call time. */
  readonly places: readonly Place[];
  /** Of the rule that exposes it. */
  readonly position: Position;
  /** Needed on the caller's token, beyond the baseline of the endpoint. */
  readonly scopes: readonly string[];
  readonly confirm: RuleConfig["confirm"];
  readonly when: { readonly expression: string; readonly position: Position } | undefined;
  readonly response: ResponseConfig;
  readonly timeouts: RuleConfig["timeouts"];
  readonly rate: RuleConfig["rate"];
  readonly egress: RuleConfig["egress"];
  readonly maxConcurrentCalls: RuleConfig["maxConcurrentCalls"];
  /** Arguments that clients of 2026-07-28 repeat as headers. */
  readonly headers: readonly ParamHeader[];
  /** undefined: nothing is promised about the answer. */
  readonly output: Output | undefined;
  /** The exact `tools/list` entry as JSON text. */
  readonly entry: string;
  /** The same for clients of the 2025 era. */
  readonly legacyEntry: string;
  /** Findings about the model's arguments, in argument names; empty when they are fine. */
  readonly validate: (args: JsonObject) => readonly ArgIssue[];
}

/** What a call needs of its operation. The rest goes, and the document it was read from with it. */
export interface ServedOperation extends Pick<
  Operation,
  "id" | "method" | "path" | "fixedQuery" | "tags" | "security" | "servers" | "position"
> {
  /** Declared for 2xx and `default`. */
  readonly successes: readonly Pick<ResponseInfo, "status" | "mediaTypes">[];
}

/** A parameter on the wire; what its schema tells the model stands in the input schema. */
export interface WireParameter extends Pick<Parameter, "name" | "in" | "encoding"> {
  /** Of its schema. */
  readonly type: JsonValue | undefined;
  /** What the API takes when nothing is sent. */
  readonly default: JsonValue | undefined;
}

/** A body on the wire. */
export type WireBody = Pick<Body, "mediaType" | "contentType" | "fields" | "positions">;

/** An argument that a client repeats as a header (MCP 2026-07-28, `x-mcp-header`). */
export interface ParamHeader {
  readonly argument: string;
  /** Lower case, e.g. `mcp-param-region`. */
  readonly header: string;
}

/**
 * One value of a request: who supplies it and where it goes. `key` names it in the values a
 * request is built from; for a value the model supplies that is the argument name.
 */
export interface Place {
  readonly key: string;
  readonly source:
    | { readonly kind: "model" }
    | { readonly kind: "principal"; readonly path: readonly string[] }
    | { readonly kind: "value"; readonly value: JsonValue };
  /** Used when the model supplies nothing; undefined: nothing is sent. */
  readonly default: JsonValue | undefined;
  readonly target:
    | { readonly kind: "parameter"; readonly parameter: WireParameter }
    | { readonly kind: "body"; readonly body: WireBody }
    /**
     * One property of a JSON, form or multipart object body; `own` when the model gives it as an
     * argument of its own instead of inside the body's.
     */
    | {
        readonly kind: "property";
        readonly body: WireBody;
        readonly name: string;
        readonly own: boolean;
      };
}
