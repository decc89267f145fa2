import type { Errand } from "../base/errors.ts";

/**
 * What a call gives back, independent of the MCP revision: content blocks, and the value of a JSON
 * answer in its natural form (the protocol room wraps it for clients that need an object).
 */
export interface Reply {
  readonly content: readonly ContentBlock[];
  readonly structured: StructuredValue | undefined;
  readonly isError: boolean;
  /** Seconds after which trying again may help; absent when nothing says so. */
  readonly retryAfter?: number;
  /** What the person has to do in a browser first; the text says it too, for clients that cannot ask. */
  readonly errand?: Errand;
}

/**
 * `json` is proven, compact JSON text, so that it can be spliced into a message as it is. Not an
 * object counts also what a tool declares to be anything else.
 */
export interface StructuredValue {
  readonly json: string;
  readonly isObject: boolean;
}

export type ContentBlock =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image" | "audio"; readonly data: string; readonly mimeType: string }
  | {
      readonly type: "resource";
      readonly resource: {
        readonly uri: string;
        readonly mimeType: string;
        readonly text?: string;
        readonly blob?: string;
      };
    };
