import { CallError } from "../base/errors.ts";
import type { Reply } from "./reply/reply.ts";
import type { ResponseHeaders } from "./request/message.ts";

/** Takes the bodies of large answers while they come. */
export interface TakeBody {
  /** Asked about bodies that are larger. */
  readonly aboveBytes: number;
  /** Decides from the head; undefined: it is held whole. */
  readonly accept: (status: number, headers: ResponseHeaders) => StartReading | undefined;
}

/**
 * @param start First bytes of the body, at least two.
 * @returns undefined: it is held whole after all.
 */
type StartReading = (start: Buffer, flow: BodyFlow) => BodyReader | undefined;

export interface BodyFlow {
  /** After `wait`. */
  readonly resume: () => void;
  /** Nobody can take what is read. */
  readonly giveUp: () => void;
}

export interface BodyReader {
  /** `wait`: nothing more until the flow is resumed; `enough`: nothing more is wanted. */
  readonly push: (chunk: Buffer) => "more" | "wait" | "enough";
  /** Whether the body is read to its end for the sake of who sends it, though there is `enough`. */
  readonly toEnd: boolean;
  /** @returns What remains to be said. */
  readonly end: () => Reply;
}

/** An answer that may turn out to be too large to be held. */
export interface Taking {
  /** @returns false: the chunk is to be held. */
  readonly push: (chunk: Buffer) => boolean;
  /** undefined: nothing was taken, and the body is held. */
  readonly end: () => Reply | undefined;
  /** Whoever takes it is not ready for more. */
  readonly waits: () => boolean;
  /**
   * There is more than may be read.
   *
   * @returns false: some of it is wanted.
   */
  readonly overflow: () => boolean;
}

interface Beginning {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Of the body; 0: the head does not say. */
  readonly length: number;
  /** What is held so far; emptied when the body is taken. */
  readonly chunks: Buffer[];
}

/** What taking a body does to its exchange. */
interface TakenExchange {
  readonly pause: () => void;
  readonly resume: () => void;
  readonly fail: (error: CallError) => void;
  /** Nothing more is wanted of the body. */
  readonly finish: (rest: Reply) => void;
}

/** @returns undefined when the head says that it will be held. */
export function startTaking(
  { aboveBytes, accept }: TakeBody,
  { status, headers, length, chunks }: Beginning,
  exchange: TakenExchange,
): Taking | undefined {
  if (length > 0 && length <= aboveBytes) return undefined;
  let start = accept(status, headers);
  if (start === undefined) return undefined;
  let reader: BodyReader | undefined;
  let size = 0;
  let waits = false;
  let hasEnough = false;
  let ended = false;
  const finish = (from: BodyReader): void => {
    if (ended) return;
    ended = true;
    exchange.finish(from.end());
  };
  const flow: BodyFlow = {
    resume() {
      if (!waits || ended) return;
      waits = false;
      exchange.resume();
    },
    giveUp() {
      ended = true;
      exchange.fail(new CallError("cancelled", "The call was cancelled."));
    },
  };
  const pass = (to: BodyReader, chunk: Buffer): void => {
    if (ended) return;
    const next = to.push(chunk);
    if (next === "enough") {
      hasEnough = true;
      if (!to.toEnd) finish(to);
    } else if (next === "wait" && !waits) {
      waits = true;
      exchange.pause();
    }
  };
  return {
    push(chunk) {
      if (reader !== undefined) {
        pass(reader, chunk);
        return true;
      }
      size += chunk.length;
      if (start === undefined || size < 2 || Math.max(size, length) <= aboveBytes) return false;
      reader = start(Buffer.concat([...chunks.slice(0, 2), chunk]), flow);
      start = undefined;
      if (reader === undefined) return false;
      // Not more than is held anyway, so nothing waits between them.
      for (const held of chunks.splice(0)) pass(reader, held);
      pass(reader, chunk);
      return true;
    },
    end: () => reader?.end(),
    waits: () => waits,
    overflow() {
      if (reader === undefined || !hasEnough) return false;
      finish(reader);
      return true;
    },
  };
}
