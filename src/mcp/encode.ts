import type { JsonObject } from "../base/json.ts";
import type { Progress } from "../upstream/reply/event-stream.ts";
import type { JsonBytes } from "../upstream/reply/json-bytes.ts";
import {
  blocksOf,
  type BlockReply,
  type Reply,
  type StructuredValue,
} from "../upstream/reply/reply.ts";
import type { InputRequired } from "./input-required.ts";
import { listTtlMs, type Era, type ServerInfo } from "./service.ts";

/** Writes messages by joining text around what is already JSON. */
export interface Encoder {
  /** Only of the 2026 era. */
  readonly inputRequired: (id: string | number, result: InputRequired) => string;
  readonly call: (id: string | number, reply: BlockReply) => string;
  /**
   * The same for a reply that is one JSON text: its bytes are joined as Latin-1, which Node writes
   * with the head of the response in one go. In pieces when it is long: they are sent from where
   * they are.
   */
  readonly json: (id: string | number, json: JsonBytes) => Latin1 | readonly Buffer[];
  /** Around a text block that is written while it arrives. */
  readonly streamed: StreamedMessage;
  /** In pieces, because the list is kept as bytes and may be large. */
  readonly list: (id: string | number, tools: Uint8Array) => readonly [string, Uint8Array, string];
}

/** The UTF-8 of a message as text, a character for each byte. */
export interface Latin1 {
  readonly latin1: string;
}

/** A message whose first block is the text between its head and its tail. */
export interface StreamedMessage {
  readonly head: (id: string | number) => string;
  /** @param rest What follows the text: more blocks, and whether all of it is an error. */
  readonly tail: (rest: Reply) => string;
}

/** In `_meta` of what an API has said: data for the model, whatever it tells the model to do. */
export const untrusted = "dev.tollgate/untrusted";

/** Results of the 2026 era say that they are complete, and who speaks. */
export function createEncoder(era: Era, info: ServerInfo): Encoder {
  const modern = era === "modern";
  const speaker = `"io.modelcontextprotocol/serverInfo":${JSON.stringify(info)}`;
  const before = modern ? '"resultType":"complete",' : "";
  const after = modern ? encodeMeta(speaker) : "";
  const label = `"${untrusted}":true`;
  const afterApi = modern ? encodeMeta(speaker, label) : encodeMeta(label);
  const afterCall = ({ isOwn, retryAfter }: Pick<BlockReply, "isOwn" | "retryAfter">): string => {
    if (retryAfter === undefined) return isOwn ? after : afterApi;
    const told = `"retryAfter":${retryAfter}`;
    const labels = isOwn ? [told] : [label, told];
    return modern ? encodeMeta(speaker, ...labels) : encodeMeta(...labels);
  };
  const toText = `,"result":{${before}"content":[{"type":"text","text":"`;
  const bytesOf = compileBytes({
    head: toText,
    middle: '"}]',
    tail: `${afterApi}}}`,
  });
  const caching = modern ? `,"ttlMs":${listTtlMs},"cacheScope":"private"` : "";
  return {
    call(id, reply) {
      const content = `"content":${JSON.stringify(reply.content)}`;
      const structured = encodeStructured(reply, era);
      const error = reply.isError ? ',"isError":true' : "";
      return encodeResult(id, `{${before}${content}${structured}${error}${afterCall(reply)}}`);
    },
    inputRequired: (id, result) =>
      encodeResult(id, `${JSON.stringify(result).slice(0, -1)}${after}}`),
    json: (id, json) => bytesOf(id, json, !modern && !json.isObject),
    streamed: {
      head: (id) => `{"jsonrpc":"2.0","id":${JSON.stringify(id)}${toText}`,
      tail(rest) {
        const { content, isError, retryAfter } = blocksOf(rest);
        const blocks = content.map((block) => `,${JSON.stringify(block)}`).join("");
        const error = isError ? ',"isError":true' : "";
        // The text is an API's, whoever speaks last.
        const meta = afterCall(retryAfter === undefined ? {} : { retryAfter });
        return `"}${blocks}]${error}${meta}}}`;
      },
    },
    list: (id, tools) => [
      `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{${before}"tools":`,
      tools,
      `${caching}${after}}}`,
    ],
  };
}

interface Around {
  readonly head: string;
  /** Between the text block and the structured value. */
  readonly middle: string;
  readonly tail: string;
}

/** Longer than that, to join the pieces costs more than to send several. */
const longBytes = 262_144;

function compileBytes(
  around: Around,
): (id: string | number, json: JsonBytes, wraps: boolean) => Latin1 | readonly Buffer[] {
  const toText = latin1Of(around.head);
  const afterText = latin1Of(around.middle + around.tail);
  const toStructured = latin1Of(`${around.middle},"structuredContent":`);
  const afterStructured = latin1Of(around.tail);
  return (id, { bytes, escaped }, wraps) => {
    // A number is ASCII, and nearly every id is one.
    const idText = typeof id === "number" ? id : latin1Of(JSON.stringify(id));
    const head = `{"jsonrpc":"2.0","id":${idText}${toText}`;
    const middle = wraps ? `${toStructured}{"result":` : toStructured;
    const tail = wraps ? `}${afterStructured}` : afterStructured;
    if (bytes !== undefined && bytes.length > longBytes) {
      const before = [head, ...escaped, middle].map((piece) => Buffer.from(piece, "latin1"));
      return [...before, bytes, Buffer.from(tail, "latin1")];
    }
    const text = head + escaped.join("");
    return {
      latin1:
        bytes === undefined ? text + afterText : text + middle + bytes.toString("latin1") + tail,
    };
  };
}

/** The UTF-8 of a text, a character for each byte. */
function latin1Of(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function encodeStructured({ structured }: BlockReply, era: Era): string {
  return structured === undefined
    ? ""
    : `,"structuredContent":${projectStructured(structured, era)}`;
}

/** Clients of the 2025 era need an object. */
export function projectStructured({ json, isObject }: StructuredValue, era: Era): string {
  return era === "legacy" && !isObject ? `{"result":${json}}` : json;
}

function encodeMeta(...members: readonly string[]): string {
  return `,"_meta":{${members.join(",")}}`;
}

function encodeResult(id: string | number, result: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`;
}

export function encodeError(
  id: string | number,
  code: number,
  message: string,
  data?: JsonObject,
): string {
  const error = data === undefined ? { code, message } : { code, message, data };
  return JSON.stringify({ jsonrpc: "2.0", id, error });
}

export function encodeProgress(token: string | number, progress: Progress): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken: token, ...progress },
  });
}
