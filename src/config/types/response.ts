import type { Position } from "../../base/issue.ts";

/** What the model sees of a success. */
export interface ResponseConfig {
  /** JMESPath, with the position of the expression. */
  readonly select: { readonly expression: string; readonly position: Position } | undefined;
  /** Member names with dots between levels; empty: all are kept. */
  readonly fields: readonly string[];
  /** Names of response headers to tell, as written. */
  readonly headers: readonly string[];
  /** What the tool promises about its answer. */
  readonly schema: "none" | "permissive" | "strict";
  /** Pages that one call may fetch and join. */
  readonly maxPages: number;
  /** Of the text of all blocks, at four characters each. */
  readonly maxTokens: number;
}
