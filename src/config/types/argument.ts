import type { Position } from "../../base/issue.ts";
import type { JsonValue } from "../../base/json.ts";

export interface ArgConfig {
  /** Where the value comes from: the model, the verified token (hidden), or a constant (hidden). */
  readonly source:
    | { readonly kind: "model" }
    | { readonly kind: "principal"; readonly path: readonly string[] }
    | { readonly kind: "value"; readonly value: JsonValue };
  readonly name: string | undefined;
  readonly description: string | undefined;
  /** Sent when the model gives nothing; undefined: nothing is sent. */
  readonly default: JsonValue | undefined;
  /** What follows `Mcp-Param-` in the header that repeats the argument; undefined: none. */
  readonly header: string | undefined;
  readonly position: Position;
}
