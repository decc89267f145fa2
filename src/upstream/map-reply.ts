import type { Ports } from "../base/ports.ts";
import type { ResponseConfig } from "../config/config.ts";
import { textBlock } from "./content-block.ts";
import { readEntity, readReshaped, typeOf, type EntityLimits } from "./entity.ts";
import { compileErrorReply, describeStatus, unfit, wrongType } from "./error-reply.ts";
import type { WireResponse } from "./message.ts";
import { toLine } from "./plain-text.ts";
import type { Reply } from "./reply.ts";
import type { ReplyShape } from "./reply-shape.ts";
import type { Reshape } from "./reshape.ts";

export interface ReplyLimits {
  /** UTF-16 units of text in all blocks together. */
  readonly maxTextChars: number;
  /** Bytes of one image, sound or file, before base64. */
  readonly maxBinaryBytes: number;
  /** Items of a streamed list (NDJSON, JSON sequences, events). */
  readonly maxItems: number;
}

/** About 25,000 tokens of text; what hosts accept for one image. */
export const defaultReplyLimits: ReplyLimits = {
  maxTextChars: 100_000,
  maxBinaryBytes: 5_242_880,
  maxItems: 1000,
};

/** A token is about four characters of what APIs send. */
export function replyLimitsOf({ maxTokens }: Pick<ResponseConfig, "maxTokens">): ReplyLimits {
  return { ...defaultReplyLimits, maxTextChars: maxTokens * 4 };
}

/** Turns an API's whole answer into a reply. Never throws, whatever the bytes are. */
export type MapReply = (response: WireResponse) => Reply;

/** Decides at load what can be known of a tool's answers; a call only looks at the bytes. */
export function compileReply(
  shape: ReplyShape,
  limits: ReplyLimits,
  ports: Pick<Ports, "now">,
): MapReply {
  const mapError = compileErrorReply(shape, ports.now);
  const mapSuccess = compileSuccess(shape, { ...limits, hint: pagingHint(shape) });
  return (response) => {
    const { status, body, headers } = response;
    if (status < 200 || status > 299) return mapError(response);
    if (body.length === 0 || status === 204 || status === 205) return emptyReply(status, headers);
    return mapSuccess(response);
  };
}

function compileSuccess(shape: ReplyShape, limits: EntityLimits): MapReply {
  const { reshape, expectsJson } = shape;
  if (reshape !== undefined) return compileReshaped(shape, reshape, limits);
  return (response) => {
    const { status, headers } = response;
    const type = typeOf(response);
    if (expectsJson && type.family === "html") return wrongType(shape, status, type.essence);
    const { content, structured } = readEntity(response, type, limits);
    if (content.length === 0) return emptyReply(status, headers);
    return { content, structured, isError: false };
  };
}

/** What cannot be reshaped is no answer: a filter may be there to keep the rest from the model. */
function compileReshaped(shape: ReplyShape, reshape: Reshape, limits: EntityLimits): MapReply {
  return (response) => {
    const type = typeOf(response);
    try {
      const meaning = readReshaped(response, type, limits, reshape);
      if (meaning === undefined) return wrongType(shape, response.status, type.essence);
      return { ...meaning, isError: false };
    } catch {
      return unfit(shape, response.status);
    }
  };
}

function emptyReply(status: number, headers: ReadonlyMap<string, string>): Reply {
  const location = headers.get("location");
  const at = location === undefined ? "" : `\nLocation: ${toLine(location, 500)}`;
  const text = `Success (${describeStatus(status).slice("HTTP ".length)})${at}`;
  return { content: [textBlock(text)], structured: undefined, isError: false };
}

const paging =
  /^(?:page|limit|offset|cursor|after|first|per_?page|max_?results|page_?(?:size|token|number))$/i;

/** Names the tool's own arguments for paging; where it has none, what helps with any list. */
function pagingHint({ names }: ReplyShape): string {
  const all = [...names.parameters.values(), ...names.properties.values()];
  const found = all.filter((name) => paging.test(name)).slice(0, 3);
  return found.length > 0 ? `use ${found.join("/")}` : "ask for less";
}
