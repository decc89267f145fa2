import type { ServerResponse } from "node:http";
import type { Reply } from "../upstream/reply/reply.ts";
import type { OpenText, SinkEvents } from "../upstream/reply/streamed-text.ts";
import type { StreamedMessage } from "./encode.ts";
import { closeWhenStalled } from "./slow-reader.ts";

/** A reply that begins while its text still arrives. */
export interface ReplyStream {
  /** At most once; undefined: the reply is sent whole. */
  readonly open: OpenText | undefined;
  /** @returns false: nothing was opened, and the whole reply is still to be sent. */
  readonly finish: (rest: Reply) => boolean;
}

/** Never begins early. */
export const wholeReply: ReplyStream = { open: undefined, finish: () => false };

export function createReplyStream(
  id: string | number,
  { head, tail }: StreamedMessage,
  response: ServerResponse,
): ReplyStream {
  let events: SinkEvents | undefined;
  return {
    open(listener) {
      events = listener;
      const { onReady, onGone } = listener;
      if (response.destroyed) {
        // Whoever waits for the text is told when there is somebody to tell.
        process.nextTick(onGone);
      } else {
        response.on("drain", onReady);
        response.on("close", onGone);
        response.writeHead(200, ["content-type", "application/json"]);
        response.write(head(id));
        closeWhenStalled(response);
      }
      return { write: (escaped, onWritten) => response.write(escaped, onWritten) };
    },
    finish(rest) {
      if (events === undefined) return false;
      response.off("drain", events.onReady);
      response.off("close", events.onGone);
      response.end(tail(rest));
      return true;
    },
  };
}
