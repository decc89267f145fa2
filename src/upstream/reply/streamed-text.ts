import type { Values } from "../../tools/values.ts";
import type { ResponseHeaders } from "../request/message.ts";
import type { BodyFlow, BodyReader, TakeBody } from "../taken-body.ts";
import { resourceUri, textBlock } from "./content-block.ts";
import { createEscapedText } from "./escaped-text.ts";
import { pagingHint, type ReplyLimits, type ReplyPorts } from "./map-reply.ts";
import { parseMediaType, type Family } from "./media-type.ts";
import type { Reply } from "./reply.ts";
import type { ReplyShape } from "./reply-shape.ts";
import { compileTrailer } from "./trailer.ts";

/** Where the text of an answer goes while it arrives: the first block of a reply that has begun. */
interface TextSink {
  /**
   * @param escaped As inside a JSON string; it is left alone until `onWritten`.
   * @returns false: no more, please, until `onReady`.
   */
  readonly write: (escaped: Buffer, onWritten: () => void) => boolean;
}

export interface SinkEvents {
  readonly onReady: () => void;
  /** Nobody reads it any more. */
  readonly onGone: () => void;
}

export type OpenText = (events: SinkEvents) => TextSink;

/** One call of a tool whose answer may be passed on while it arrives. */
interface Streaming {
  readonly open: OpenText;
  readonly values: Values;
  /** Of the answer so far. */
  readonly onBytes: (bytes: number) => void;
  /** It may change something: an API may undo what it did when its answer is not taken whole. */
  readonly unsafe: boolean;
  /** An unsafe one that does not runs to its end, whoever still listens. */
  readonly endsWithClient: boolean;
}

export type StreamText = (streaming: Streaming) => TakeBody;

/** What is no larger is held whole, and can then be proven, cut where it makes sense, and structured. */
export const streamAboveBytes = 1_048_576;

/** @returns undefined for a tool whose answers have to be whole before anything is said of them. */
export function compileStreamText(
  shape: ReplyShape,
  { maxTextChars }: ReplyLimits,
  { onTruncated }: Pick<ReplyPorts, "onTruncated">,
): StreamText | undefined {
  const { reshape, output, pagesInBody, expectsJson } = shape;
  if (reshape !== undefined || output !== undefined || pagesInBody) return undefined;
  const families = new Set<Family>(expectsJson ? ["json", "text"] : ["json", "text", "html"]);
  const hint = pagingHint(shape);
  const trailer = compileTrailer(shape);
  const more = (headers: ResponseHeaders, values: Values): readonly string[] =>
    trailer?.({ headers, parse: () => undefined }, values) ?? [];

  return ({ open, values, onBytes, unsafe, endsWithClient }) => ({
    aboveBytes: streamAboveBytes,
    accept(status, headers) {
      const family = familyOf(status, headers);
      if (family === undefined || !families.has(family)) return undefined;
      const isJson = family === "json";
      return (start, flow) =>
        isUtf16(start, isJson)
          ? undefined
          : read({
              ...openText({
                open,
                flow,
                isJson,
                maxChars: maxTextChars,
                runsOn: unsafe && !endsWithClient,
              }),
              toEnd: unsafe,
              onBytes,
              onTruncated,
              hint,
              more: () => more(headers, values),
            });
    },
  });
}

/** Of a success in UTF-8 that comes as it is and has no address of its own; what says 205 has no text. */
function familyOf(status: number, headers: ResponseHeaders): Family | undefined {
  if (status < 200 || status > 299 || status === 205) return undefined;
  const coding = headers.get("content-encoding");
  if (coding !== undefined && coding !== "identity") return undefined;
  if (resourceUri(headers) !== undefined) return undefined;
  const type = parseMediaType(headers.get("content-type"));
  const charset = type?.parameters.get("charset")?.toLowerCase() ?? "utf-8";
  return charset === "utf-8" || charset === "utf8" ? type?.family : undefined;
}

/** As `decodeText` and `decodeJson` see it. */
function isUtf16([first, second]: Buffer, isJson: boolean): boolean {
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  return isJson && (first === 0 || second === 0);
}

interface Opened {
  readonly text: ReturnType<typeof createEscapedText>;
  /** @returns false: wait. */
  readonly write: (escaped: Buffer) => boolean;
}

/** What was written is written into again: it would be garbage as large as the answer. */
function openText(of: {
  readonly open: OpenText;
  readonly flow: BodyFlow;
  readonly isJson: boolean;
  readonly maxChars: number;
  readonly runsOn: boolean;
}): Opened {
  const { open, flow, isJson, maxChars, runsOn } = of;
  let free: Buffer | undefined;
  let taken: Buffer = Buffer.alloc(0);
  const allocate = (bytes: number): Buffer => {
    taken = free !== undefined && free.length >= bytes ? free : Buffer.allocUnsafe(bytes);
    free = undefined;
    return taken;
  };
  let isGone = false;
  const sink = open({
    onReady: flow.resume,
    onGone() {
      isGone = true;
      if (runsOn) flow.resume();
      else flow.giveUp();
    },
  });
  return {
    text: createEscapedText({ isJson, maxChars, allocate }),
    write(escaped) {
      if (isGone) return true;
      const whole = taken;
      return sink.write(escaped, () => (free = whole));
    },
  };
}

function read({
  text,
  write,
  toEnd,
  onBytes,
  onTruncated,
  hint,
  more,
}: Opened & {
  readonly toEnd: boolean;
  readonly onBytes: (bytes: number) => void;
  readonly onTruncated: () => void;
  /** What the model can do to see the rest. */
  readonly hint: string;
  /** Lines to tell behind the text. */
  readonly more: () => readonly string[];
}): BodyReader {
  let bytes = 0;
  return {
    toEnd,
    push(chunk) {
      bytes += chunk.length;
      onBytes(bytes);
      if (text.isCut()) return "enough";
      const escaped = text.push(chunk);
      const isReady = escaped.length === 0 || write(escaped);
      if (text.isCut()) return "enough";
      return isReady ? "more" : "wait";
    },
    end() {
      const last = text.end();
      if (last.length > 0) write(last);
      const isCut = text.isCut();
      if (isCut) onTruncated();
      const notice = `[cut: the first ${text.chars()} characters of a longer answer; ${hint}]`;
      const lines = isCut ? [notice, ...more()] : more();
      return told(lines);
    },
  };
}

function told(lines: readonly string[]): Reply {
  const content = lines.length === 0 ? [] : [textBlock(lines.join("\n"))];
  return { content, structured: undefined, isError: false };
}
