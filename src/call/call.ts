import type { CancelSignal } from "../base/cancel.ts";
import type { JsonObject } from "../base/json.ts";
import type { RecordedCall } from "../observe/record/event.ts";
import type { Progress } from "../upstream/reply/event-stream.ts";
import type { Reply } from "../upstream/reply/reply.ts";
import type { OpenText } from "../upstream/reply/streamed-text.ts";
import type { Consent } from "./consent.ts";

/** One tool call, after its caller was believed. */
export interface Call extends RecordedCall {
  readonly args: JsonObject;
  /** Looked at only for tools that need it. */
  readonly consent: Consent;
  /** Present where it stops the work that nobody waits for its result any more. */
  readonly cancel: CancelSignal | undefined;
  /** Present when the caller asked for progress. */
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** Present where a reply can begin before the answer of the API is whole. */
  readonly openText?: OpenText | undefined;
}

/**
 * The road, from principal and arguments to a reply. What the model can read about (bad arguments,
 * refusals, faults of the API) is a reply with `isError`.
 *
 * @throws UnknownToolError no such tool for this caller.
 * @throws AuthError `insufficient_scope` with all scopes the tool needs; `invalid_token` when the
 *   caller's token can no longer be exchanged. Both before anything was sent to the API.
 */
export type CallTool = (call: Call) => Promise<Reply>;
