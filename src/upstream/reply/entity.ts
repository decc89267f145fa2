import { isUtf8 } from "node:buffer";
import { decodeJson, decodeText } from "./charset.ts";
import { binaryBlock, resourceUri, textBlock, textResource } from "./content-block.ts";
import { parse, progressOf, readStream, type StreamFamily } from "./event-stream.ts";
import { cutJson } from "./json-cut.ts";
import { readJson, reshapeJson, type JsonText } from "./json-text.ts";
import { parseMediaType, type Family, type MediaType } from "./media-type.ts";
import { splitMultipart } from "./multipart.ts";
import { limitText, stripControls } from "./plain-text.ts";
import type { ContentBlock, StructuredValue } from "./reply.ts";
import type { Reshape } from "./reshape.ts";
import { measureUtf8 } from "./utf8.ts";
import type { ResponseHeaders } from "../request/message.ts";

/** A body and the headers that describe it: a whole answer or one part of it. */
export interface Entity {
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

export interface EntityLimits {
  /** UTF-16 units of text in all blocks together. */
  readonly maxTextChars: number;
  /** Bytes of one image, sound or file, before base64. */
  readonly maxBinaryBytes: number;
  /** Items of a streamed list. */
  readonly maxItems: number;
  /** What the model can do to see the rest of a cut list. */
  readonly hint: string;
  /** Told when something of the answer is left out, perhaps more than once. */
  readonly onCut: () => void;
}

/** What a body says, by its media type. */
export interface Meaning {
  readonly content: readonly ContentBlock[];
  readonly structured: StructuredValue | undefined;
  /** All of it, when it is JSON. */
  readonly json?: JsonText;
}

/** Where one text goes: into a block of its own, or into a resource with an address. */
interface Scope {
  readonly limits: EntityLimits;
  readonly uri: string | undefined;
  readonly mimeType: string;
  /** Multipart bodies around this one. */
  readonly level: number;
}

/** Readers in clients walk JSON recursively; what is nested deeper is sent as text only. */
export const maxJsonDepth = 200;
const maxLevel = 3;

/** @returns No content for a body that holds nothing but white space. */
export function readEntity(entity: Entity, type: MediaType, limits: EntityLimits): Meaning {
  return readBody(scopeOf(entity, type, limits), entity.body, type);
}

/**
 * What `reshape` makes of a JSON answer or of a streamed list.
 *
 * @returns undefined when the body is not JSON. Throws what `reshape` throws.
 */
export function readReshaped(
  entity: Entity,
  type: MediaType,
  limits: EntityLimits,
  reshape: Reshape,
): Meaning | undefined {
  const source = jsonSource(entity.body, type, limits.maxItems);
  const json = source && reshapeJson(source.text, reshape);
  if (source === undefined || json === undefined) return undefined;
  const total = json.kind === "array" ? source.total : undefined;
  return jsonMeaning(scopeOf(entity, type, limits), json, total);
}

function scopeOf({ headers }: Entity, { essence }: MediaType, limits: EntityLimits): Scope {
  return { limits, uri: resourceUri(headers), mimeType: essence, level: 0 };
}

interface JsonSource {
  readonly text: string;
  /** Items of a stream of which `text` holds only the first. */
  readonly total: number | undefined;
}

/** The one JSON text that a body is; of a stream, its result or a list of its items. */
function jsonSource(body: Buffer, type: MediaType, maxItems: number): JsonSource | undefined {
  const { family } = type;
  if (family === "json") {
    return { text: decodeJson(body, type.parameters.get("charset")), total: undefined };
  }
  if (family !== "lines" && family !== "records" && family !== "events") return undefined;
  const events = readStream(family, body);
  const result = resultOf(events);
  if (result !== undefined) return { text: result, total: undefined };
  const listed = withoutDone(family, events);
  const total = listed.length > maxItems ? listed.length : undefined;
  return { text: `[${listed.slice(0, maxItems).join(",")}]`, total };
}

/** Some APIs close a stream of JSON events with this word. */
function withoutDone(family: StreamFamily, events: readonly string[]): readonly string[] {
  return family === "events" ? events.filter((data) => data !== "[DONE]") : events;
}

/** The media type of a body: as its header says, else as its bytes look. */
export function typeOf({ headers, body }: Entity): MediaType {
  return parseMediaType(headers.get("content-type")) ?? { ...guess(body), parameters: new Map() };
}

/** JSON in UTF-8 without an address of its own, as the headers have it. */
export function isPlainJson(headers: ResponseHeaders): boolean {
  const type = parseMediaType(headers.get("content-type"));
  if (type?.family !== "json" || resourceUri(headers) !== undefined) return false;
  const charset = type.parameters.get("charset");
  return charset === undefined || charset.toLowerCase() === "utf-8";
}

function readBody(scope: Scope, body: Buffer, type: MediaType): Meaning {
  switch (type.family) {
    case "json":
      return readText(scope, decodeJson(body, type.parameters.get("charset")), "json");
    case "lines":
    case "records":
    case "events":
      return readEvents(scope, body, type.family);
    case "html":
    case "text":
      return readText(scope, decodeText(body, type.parameters.get("charset")), "text");
    case "multipart":
      return readParts(scope, body, type.parameters.get("boundary"));
    case "image":
    case "audio":
    case "binary":
      return readBytes(scope, body);
  }
}

function readText(scope: Scope, text: string, expected: "json" | "text"): Meaning {
  const json = expected === "json" ? readJson(text) : undefined;
  if (json !== undefined) return jsonMeaning(scope, json);
  if (text.trim() === "") return { content: [], structured: undefined };
  const { maxTextChars, onCut } = scope.limits;
  const clean = stripControls(text);
  if (clean.length > maxTextChars) onCut();
  const shown = limitText(clean, maxTextChars);
  const note = expected === "json" ? `\n[declared as ${scope.mimeType}, but not valid JSON]` : "";
  return { content: [block(scope, shown + note)], structured: undefined };
}

/** @param total Items of a list of which `json` holds only the first. */
function jsonMeaning(scope: Scope, json: JsonText, total?: number): Meaning {
  const { maxTextChars: maxChars, hint, onCut } = scope.limits;
  if (json.text.length > maxChars || total !== undefined) {
    onCut();
    const source = { utf8: measureUtf8(Buffer.from(json.text)), outline: undefined };
    const text = Buffer.concat(cutJson(source, { maxChars, total, hint })).toString();
    return { content: [block(scope, text)], structured: undefined, json };
  }
  const structured =
    json.depth > maxJsonDepth ? undefined : { json: json.text, isObject: json.kind === "object" };
  return { content: [block(scope, json.text)], structured, json };
}

function block(scope: Scope, text: string): ContentBlock {
  return scope.uri === undefined ? textBlock(text) : textResource(scope.uri, scope.mimeType, text);
}

function readBytes({ limits, uri, mimeType }: Scope, body: Buffer): Meaning {
  const content = [binaryBlock(body, mimeType, limits.maxBinaryBytes, uri)];
  return { content, structured: undefined };
}

/** A stream that reports progress has one result; any other is a list. */
function readEvents(scope: Scope, body: Buffer, family: StreamFamily): Meaning {
  const events = readStream(family, body);
  const result = resultOf(events);
  if (result !== undefined) {
    const json = readJson(result);
    return json === undefined ? readText(scope, result, "text") : jsonMeaning(scope, json);
  }
  const listed = withoutDone(family, events);
  const { maxItems } = scope.limits;
  const items = listed.slice(0, maxItems).map(readJson);
  if (items.length === 0) return { content: [], structured: undefined };
  const proven = items.filter((item) => item !== undefined);
  if (family === "events" && proven.length === 0) return readText(scope, listed.join("\n"), "text");
  if (family !== "events" && proven.length < items.length)
    return readText(scope, listed.join("\n"), "json");
  const texts = items.map((item, i) => item?.text ?? JSON.stringify(listed[i]));
  const depth = 1 + proven.reduce((deepest, item) => Math.max(deepest, item.depth), 0);
  const list: JsonText = {
    text: `[${texts.join(",")}]`,
    kind: "array",
    depth,
    parse: () => undefined,
  };
  return jsonMeaning(scope, list, listed.length > maxItems ? listed.length : undefined);
}

/**
 * The first event that reports no progress, else the last; undefined when none reports any, or
 * when it falls: progress only grows (MCP), so these are rows that happen to have such a column.
 */
function resultOf(events: readonly string[]): string | undefined {
  let result: string | undefined;
  let last = Number.NEGATIVE_INFINITY;
  for (const data of events) {
    // Most events of a long list do not even hold the word.
    const report = data.includes('"progress"') ? progressOf(parse(data)) : undefined;
    if (report === undefined) {
      result ??= data;
    } else {
      if (report.progress < last) return undefined;
      last = report.progress;
    }
  }
  return last === Number.NEGATIVE_INFINITY ? undefined : (result ?? events.at(-1));
}

/** One block per part, in order; the text of all parts shares one budget. */
function readParts(scope: Scope, body: Buffer, boundary: string | undefined): Meaning {
  const split = scope.level < maxLevel ? splitMultipart(body, boundary) : undefined;
  if (split === undefined) return readBytes(scope, body);
  const content: ContentBlock[] = [];
  let left = scope.limits.maxTextChars;
  let more = split.more;
  for (const part of split.parts) {
    if (left <= 0) {
      more = true;
      break;
    }
    const type = typeOf(part);
    const inner: Scope = {
      limits: { ...scope.limits, maxTextChars: left },
      uri: resourceUri(part.headers),
      mimeType: type.essence,
      level: scope.level + 1,
    };
    const { content: blocks } = readBody(inner, part.body, type);
    content.push(...blocks);
    left -= blocks.reduce((sum, found) => sum + textLength(found), 0);
  }
  if (more) {
    scope.limits.onCut();
    content.push(textBlock("[more parts were left out]"));
  }
  return { content, structured: undefined };
}

function textLength(found: ContentBlock): number {
  if (found.type === "text") return found.text.length;
  return found.type === "resource" ? (found.resource.text?.length ?? 0) : 0;
}

function guess(body: Buffer): { readonly essence: string; readonly family: Family } {
  const start = firstText(body);
  if (/^[{[]/.test(start) && readJson(decodeJson(body, undefined)) !== undefined)
    return { essence: "application/json", family: "json" };
  if (/^<(?:!doctype html|html)/i.test(start)) return { essence: "text/html", family: "html" };
  if (isUtf8(body) && !body.includes(0)) return { essence: "text/plain", family: "text" };
  return { essence: "application/octet-stream", family: "binary" };
}

/** The first characters; a byte order mark, UTF-16 and white space put other bytes before them. */
function firstText(body: Buffer): string {
  const visible = body.subarray(0, 64).findIndex((byte) => byte > 0x20 && byte < 0x7f);
  return visible === -1 ? "" : body.toString("latin1", visible, visible + 64);
}
