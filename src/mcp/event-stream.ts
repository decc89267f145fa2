import type { ServerResponse } from "node:http";
import { closeWhenStalled } from "./slow-reader.ts";

/** A reply that tells progress before its result, as server-sent events. */
export interface EventStream {
  readonly send: (message: string) => void;
  /** The result; ends the stream. */
  readonly finish: (message: string) => void;
}

/** Load balancers close what is silent for a minute; a comment line keeps it open. */
const keepAliveMs = 15_000;
/** A reader that is this far behind gets no more progress, only the result. */
const maxBufferedBytes = 1_048_576;

export function openEventStream(response: ServerResponse): EventStream {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  });
  closeWhenStalled(response);
  const keepAlive = setInterval(() => response.write(": keep-alive\n\n"), keepAliveMs);
  response.once("close", () => clearInterval(keepAlive));
  return {
    send(message) {
      if (response.writableLength < maxBufferedBytes) response.write(frame(message));
    },
    finish(message) {
      clearInterval(keepAlive);
      response.end(frame(message));
    },
  };
}

/** JSON text has no line breaks, so one `data` line holds it. */
function frame(message: string): string {
  return `event: message\ndata: ${message}\n\n`;
}
