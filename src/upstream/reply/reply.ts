import type { CallCode, Errand, Question } from "../../base/errors.ts";
import type { JsonBytes } from "./json-bytes.ts";

/** What a call gives back, independent of the MCP revision. */
export type Reply = BlockReply | JsonReply;

/**
 * Content blocks, and the value of a JSON answer in its natural form (the protocol room wraps it
 * for clients that need an object).
 */
export interface BlockReply {
  readonly content: readonly ContentBlock[];
  readonly structured: StructuredValue | undefined;
  readonly isError: boolean;
  /** The gateway's words alone: whatever else a reply says may be an API's. */
  readonly isOwn?: true;
  /** What the record calls an error that is not the API's. */
  readonly reason?: CallCode;
  /** Seconds after which trying again may help; absent when nothing says so. */
  readonly retryAfter?: number;
  /** What the person has to do in a browser first; the text says it too, for clients that cannot ask. */
  readonly errand?: Errand;
  /** What the person must agree to first; only for a caller who can ask. */
  readonly question?: Question;
  readonly json?: undefined;
}

/**
 * The usual success: one JSON text, which is both the one block and, when it is whole, the structured
 * value. It stays the bytes that came, because the hot lane writes both of them from there.
 */
interface JsonReply {
  readonly json: JsonBytes;
  readonly isError: false;
}

/** For whoever needs the blocks themselves. */
export function blocksOf(reply: Reply): BlockReply {
  if (reply.json === undefined) return reply;
  const { bytes, escaped, isObject } = reply.json;
  if (bytes === undefined) {
    const printed = Buffer.from(escaped.join(""), "latin1").toString();
    const text = String(JSON.parse(`"${printed}"`));
    return { content: [{ type: "text", text }], structured: undefined, isError: false };
  }
  const text = bytes.toString();
  const structured = { json: text, isObject };
  return { content: [{ type: "text", text }], structured, isError: false };
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
