import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { Family } from "./media-type.ts";
import { toLine } from "./plain-text.ts";

/** `events`: text/event-stream; `lines`: one JSON text per line; `records`: RFC 7464. */
export type StreamFamily = Extract<Family, "events" | "lines" | "records">;

export interface StreamEvent {
  readonly data: string;
  /** The parsed data; undefined when it is not JSON. */
  readonly value: JsonValue | undefined;
}

/** Takes a body as it arrives. Nothing here throws, whatever the bytes are. */
export interface EventReader {
  /** @param chunk Decompressed, cut anywhere. */
  readonly push: (chunk: Uint8Array) => void;
  /** The body is complete; an event that was not closed counts. */
  readonly end: () => void;
}

/** An event that grows longer is passed over: for progress it is of no use. */
const maxLiveChars = 1_048_576;

/** Reads events while the API is still sending, so that the caller can report progress. */
export function createEventReader(
  family: StreamFamily,
  onEvent: (event: StreamEvent) => void,
): EventReader {
  return createDataReader(family, maxLiveChars, (data) => {
    onEvent({ data, value: parse(data) });
  });
}

/** How far an API says it is; the units are its own. */
export interface Progress {
  readonly progress: number;
  readonly total: number | undefined;
  readonly message: string | undefined;
}

const maxMessage = 200;

/**
 * @returns undefined when `value` does not report progress: it has no numeric `progress`. Such an
 *   event of a stream is its result.
 */
export function progressOf(value: JsonValue | undefined): Progress | undefined {
  if (!isJsonObject(value)) return undefined;
  const { progress, total, message } = value;
  if (typeof progress !== "number" || !Number.isFinite(progress)) return undefined;
  return {
    progress,
    total: typeof total === "number" && Number.isFinite(total) ? total : undefined,
    message: typeof message === "string" ? toLine(message, maxMessage) : undefined,
  };
}

/** The data of every event of a whole body. */
export function readStream(family: StreamFamily, body: Buffer): readonly string[] {
  const found: string[] = [];
  const reader = createDataReader(family, body.length, (data) => found.push(data));
  reader.push(body);
  reader.end();
  return found;
}

export function parse(data: string): JsonValue | undefined {
  try {
    return JSON.parse(data) as JsonValue;
  } catch {
    return undefined;
  }
}

function createDataReader(
  family: StreamFamily,
  maxChars: number,
  onData: (data: string) => void,
): EventReader {
  // Every stream of JSON or events is UTF-8; the decoder removes a byte order mark.
  const decoder = new TextDecoder();
  const assembler =
    family === "events" ? createEventAssembler(maxChars, onData) : createTextAssembler(onData);
  const splitter = createSplitter(terminators[family], maxChars, assembler.line);
  return {
    push(chunk) {
      splitter.push(decoder.decode(chunk, { stream: true }));
    },
    end() {
      splitter.push(decoder.decode());
      splitter.end();
      assembler.end();
    },
  };
}

// oxlint-disable-next-line no-control-regex -- U+001E separates records (RFC 7464)
const terminators = { events: /\r\n|\n|\r/g, lines: /\n/g, records: /\u001e/g } as const;

interface Assembler {
  /** @param line undefined: it was too long and is lost. */
  readonly line: (line: string | undefined) => void;
  readonly end: () => void;
}

function createTextAssembler(onData: (data: string) => void): Assembler {
  return {
    line(line) {
      const text = line?.trim();
      if (text !== undefined && text !== "") onData(text);
    },
    end: () => undefined,
  };
}

/** Server-sent events (HTML §9.2.6): `data` lines until a blank one; other fields say nothing here. */
function createEventAssembler(maxChars: number, onData: (data: string) => void): Assembler {
  let data: string[] = [];
  let size = 0;
  let lost = false;
  const dispatch = (): void => {
    const text = data.join("\n");
    if (text !== "" && !lost) onData(text);
    [data, size, lost] = [[], 0, false];
  };
  return {
    line(line) {
      if (line === "") {
        dispatch();
        return;
      }
      const value = line === undefined ? undefined : dataOf(line);
      size += (value?.length ?? 0) + 1;
      lost ||= line === undefined || size > maxChars + 1;
      if (lost) data = [];
      else if (value !== undefined) data.push(value);
    },
    end: dispatch,
  };
}

function dataOf(line: string): string | undefined {
  if (line === "data") return "";
  if (!line.startsWith("data:")) return undefined;
  return line.slice(line[5] === " " ? 6 : 5);
}

interface Splitter {
  readonly push: (text: string) => void;
  readonly end: () => void;
}

/** Keeps an unfinished piece as a list: joining it at every chunk would cost its square. */
function createSplitter(
  terminator: RegExp,
  maxChars: number,
  onPiece: (piece: string | undefined) => void,
): Splitter {
  let pieces: string[] = [];
  let size = 0;
  let afterReturn = false;
  const keep = (text: string): void => {
    size += text.length;
    if (size > maxChars) pieces = [];
    else if (text !== "") pieces.push(text);
  };
  const finish = (): void => {
    onPiece(size > maxChars ? undefined : pieces.join(""));
    [pieces, size] = [[], 0];
  };
  return {
    push(text) {
      if (text === "") return;
      // A line end whose two characters came in two chunks is still one line end.
      let start = afterReturn && text.startsWith("\n") ? 1 : 0;
      for (const match of text.slice(start).matchAll(terminator)) {
        const offset = text.length - match.input.length;
        keep(text.slice(start, match.index + offset));
        finish();
        start = match.index + offset + match[0].length;
      }
      keep(text.slice(start));
      afterReturn = terminator === terminators.events && text.endsWith("\r");
    },
    end() {
      if (size > 0) finish();
    },
  };
}
