import { createEventReader, progressOf, type Progress } from "../upstream/reply/event-stream.ts";
import { parseMediaType } from "../upstream/reply/media-type.ts";
import type { Watch } from "../upstream/send.ts";

/** Notifications of one call; an API that reports more than this is talking to itself. */
const maxNotifications = 1_000;

/** Reads the progress that an API reports in a streamed answer, while it arrives. */
export function createProgress(
  onProgress: (progress: Progress) => void,
): NonNullable<Watch["onHead"]> {
  let last = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (status, contentType) => {
    const family = parseMediaType(contentType)?.family;
    const streamed = family === "events" || family === "lines" || family === "records";
    if (!streamed || status < 200 || status > 299) return undefined;
    const reader = createEventReader(family, ({ value }) => {
      const progress = progressOf(value);
      // Progress must increase (MCP); what does not is passed over.
      if (progress === undefined || progress.progress <= last || count >= maxNotifications) return;
      last = progress.progress;
      count++;
      onProgress(progress);
    });
    return (chunk) => reader.push(chunk);
  };
}
