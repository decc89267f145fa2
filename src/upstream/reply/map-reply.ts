import { parseExactly } from "../../base/exact-number.ts";
import type { JsonValue } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import type { ResponseConfig } from "../../config/types/response.ts";
import type { Output } from "../../tools/output.ts";
import type { Values } from "../../tools/values.ts";
import { BudgetError } from "./budget.ts";
import { textBlock } from "./content-block.ts";
import {
  isPlainJson,
  maxJsonDepth,
  readEntity,
  readReshaped,
  typeOf,
  type EntityLimits,
} from "./entity.ts";
import {
  brokenPromise,
  compileErrorReply,
  describeStatus,
  overspent,
  unfit,
  wrongType,
} from "./error-reply.ts";
import { proveJson, withoutLineEnd, type JsonBytes } from "./json-bytes.ts";
import { cutJson } from "./json-cut.ts";
import { escapeJson, outlineJson } from "./json-scan.ts";
import type { JsonText } from "./json-text.ts";
import type { ResponseHeaders, WireResponse } from "../request/message.ts";
import type { Next } from "./paging.ts";
import { toLine } from "./plain-text.ts";
import { blocksOf, type BlockReply, type Reply, type StructuredValue } from "./reply.ts";
import type { ReplyShape } from "./reply-shape.ts";
import type { Reshape } from "./reshape.ts";
import { compileTrailer } from "./trailer.ts";
import { measureUtf8, type Utf8 } from "./utf8.ts";

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

/**
 * Turns an API's whole answer into a reply. Never throws, whatever the bytes are.
 *
 * @param values What the request was built from.
 */
export type MapReply = (
  response: WireResponse,
  values: Values,
  joined?: { readonly next: Next | undefined },
) => Reply;

export interface ReplyPorts extends Pick<Ports, "now"> {
  /** Told once of each answer of which the model gets only a part. */
  readonly onTruncated: () => void;
}

/** Decides at load what can be known of a tool's answers; a call only looks at the bytes. */
export function compileReply(
  shape: ReplyShape,
  limits: ReplyLimits,
  { now, onTruncated }: ReplyPorts,
): MapReply {
  const mapError = compileErrorReply(shape, now);
  const hint = pagingHint(shape);
  const mapSuccess = tellTruncated(
    (onCut) => compileSuccess(shape, { ...limits, hint, onCut }),
    onTruncated,
  );
  const plain = { ...limits, hint, onCut: onTruncated };
  const read: ReadSuccess =
    shape.reshape === undefined && shape.output === undefined
      ? (response) => readPlainJson(response, plain) ?? mapSuccess(response)
      : mapSuccess;
  const trailer = compileTrailer(shape);
  if (trailer === undefined) {
    return (response) => (isSuccess(response) ? read(response).reply : mapError(response));
  }
  return (response, values, joined) => {
    if (!isSuccess(response)) return mapError(response);
    const { reply, json } = read(response);
    if (reply.isError) return reply;
    const page = { headers: response.headers, parse: () => json?.parse() };
    const lines = trailer(page, values, joined);
    if (lines.length === 0) return reply;
    const blocks = blocksOf(reply);
    return { ...blocks, content: [...blocks.content, textBlock(lines.join("\n"))] };
  };
}

type ReadSuccess = (response: WireResponse) => {
  readonly reply: Reply;
  readonly json: Pick<JsonText, "parse"> | undefined;
};

function isSuccess({ status }: WireResponse): boolean {
  return status >= 200 && status <= 299;
}

/** The usual answer, by its bytes alone; undefined: anything else, right or wrong. */
function readPlainJson(
  { status, headers, body }: WireResponse,
  limits: EntityLimits,
): ReturnType<ReadSuccess> | undefined {
  if (status === 204 || status === 205 || !isPlainJson(headers)) return undefined;
  const bytes = withoutLineEnd(body);
  const { maxTextChars } = limits;
  // Characters are never more than bytes.
  const utf8 = bytes.length > maxTextChars ? measureUtf8(bytes) : undefined;
  const isCut = utf8 !== undefined && !utf8.fits(0, bytes.length, maxTextChars);
  const json = isCut ? cutPlainJson(utf8, limits) : proveJson(bytes, maxJsonDepth);
  if (json === undefined) return undefined;
  if (isCut) limits.onCut();
  const parse = (): JsonValue => parseExactly(bytes.toString());
  return { reply: { json, isError: false }, json: { parse } };
}

/** Of an answer that is too long nothing is escaped but what is kept. */
function cutPlainJson(utf8: Utf8, { maxTextChars, hint }: EntityLimits): JsonBytes | undefined {
  const outline = outlineJson(utf8.bytes, maxJsonDepth);
  if (outline === undefined) return undefined;
  const limits = { maxChars: maxTextChars, total: undefined, hint };
  const escaped = escapeJson(cutJson({ utf8, outline }, limits), maxJsonDepth);
  return escaped && { bytes: undefined, escaped, isObject: true };
}

/** An answer of several parts may be cut in each of them; reading it waits for nothing in between. */
function tellTruncated(
  compile: (onCut: () => void) => MapSuccess,
  onTruncated: () => void,
): MapSuccess {
  let isCut = false;
  const map = compile(() => (isCut = true));
  return (response) => {
    isCut = false;
    const success = map(response);
    if (isCut) onTruncated();
    return success;
  };
}

interface Success {
  readonly reply: BlockReply;
  /** The answer, when it is JSON. */
  readonly json: JsonText | undefined;
}

type MapSuccess = (response: WireResponse) => Success;

function compileSuccess(shape: ReplyShape, limits: EntityLimits): MapSuccess {
  const { reshape } = shape;
  const map =
    reshape === undefined ? compileWhole(shape, limits) : compileReshaped(shape, reshape, limits);
  const read: MapSuccess = (response) => {
    const { status, body } = response;
    if (body.length === 0 || status === 204 || status === 205) return empty(response);
    return map(response);
  };
  return shape.output === undefined ? read : compilePromised(shape, shape.output, read);
}

/** What a tool promises its clients check: every success has structured content that keeps it. */
function compilePromised(shape: ReplyShape, output: Output, read: MapSuccess): MapSuccess {
  const { validate, wraps } = output;
  return (response) => {
    const success = read(response);
    const { reply, json } = success;
    if (reply.isError) return success;
    const readable = json !== undefined && json.depth <= maxJsonDepth ? json : undefined;
    if (validate === undefined) {
      return { ...success, reply: { ...reply, structured: anyStructured(readable, wraps) } };
    }
    const got = response.body.length === 0 ? "an empty body" : typeOf(response).essence;
    if (readable === undefined)
      return { reply: wrongType(shape, response.status, got), json: undefined };
    const issues = validate(readable.parse() ?? null);
    if (issues.length > 0)
      return { reply: brokenPromise(shape, response.status, issues), json: undefined };
    const structured = { json: readable.text, isObject: !wraps };
    return { ...success, reply: { ...reply, structured } };
  };
}

/** An object where one is promised, whatever came. */
function anyStructured(json: JsonText | undefined, wraps: boolean): StructuredValue {
  if (wraps) return { json: json?.text ?? "null", isObject: false };
  if (json === undefined) return { json: "{}", isObject: true };
  return { json: json.kind === "object" ? json.text : `{"result":${json.text}}`, isObject: true };
}

function compileWhole(shape: ReplyShape, limits: EntityLimits): MapSuccess {
  return (response) => {
    const { status } = response;
    const type = typeOf(response);
    if (shape.expectsJson && type.family === "html")
      return { reply: wrongType(shape, status, type.essence), json: undefined };
    const { content, structured, json } = readEntity(response, type, limits);
    if (content.length === 0) return empty(response);
    return { reply: { content, structured, isError: false }, json };
  };
}

/** What cannot be reshaped is no answer: a filter may be there to keep the rest from the model. */
function compileReshaped(shape: ReplyShape, reshape: Reshape, limits: EntityLimits): MapSuccess {
  return (response) => {
    const { status } = response;
    const type = typeOf(response);
    try {
      const meaning = readReshaped(response, type, limits, reshape);
      if (meaning === undefined)
        return { reply: wrongType(shape, status, type.essence), json: undefined };
      const { content, structured, json } = meaning;
      return { reply: { content, structured, isError: false }, json };
    } catch (error) {
      const refuse = error instanceof BudgetError ? overspent : unfit;
      return { reply: refuse(shape, status), json: undefined };
    }
  };
}

function empty({ status, headers }: WireResponse): Success {
  return { reply: emptyReply(status, headers), json: undefined };
}

function emptyReply(status: number, headers: ResponseHeaders): BlockReply {
  const location = headers.get("location");
  const at = location === undefined ? "" : `\nLocation: ${toLine(location, 500)}`;
  const text = `Success (${describeStatus(status).slice("HTTP ".length)})${at}`;
  return { content: [textBlock(text)], structured: undefined, isError: false };
}

const paging =
  /^(?:page|limit|offset|cursor|after|first|per_?page|max_?results|page_?(?:size|token|number))$/i;

/** Names the tool's own arguments for paging; where it has none, what helps with any list. */
export function pagingHint({ names }: ReplyShape): string {
  const all = [...names.parameters.values(), ...names.properties.values()];
  const found = all.filter((name) => paging.test(name)).slice(0, 3);
  return found.length > 0 ? `use ${found.join("/")}` : "ask for less";
}
