import type { Circuit } from "../limits/circuit.ts";
import type { Enter } from "../limits/limits.ts";
import type { ToolText } from "../observe/record/text.ts";
import type { Credential } from "../upstream/credential/credential-parts.ts";
import type { JoinPages } from "../upstream/reply/pages.ts";
import type { MapReply } from "../upstream/reply/map-reply.ts";
import type { StreamText } from "../upstream/reply/streamed-text.ts";
import type { BuildRequest } from "../upstream/request/request.ts";
import type { Retry } from "../upstream/retry.ts";
import type { Send, SendLimits } from "../upstream/send.ts";
import type { Confirm } from "./confirm.ts";

/** What one tool needs on its way; compiled at load. */
export interface Route {
  readonly enter: Enter;
  /** undefined: nobody has to agree. */
  readonly confirm: Confirm | undefined;
  readonly credential: Credential;
  /** Of the API, e.g. `http://courses.internal:8080`. */
  readonly origin: string;
  readonly build: BuildRequest;
  readonly send: Send;
  /** undefined: the API is asked however it fails. */
  readonly circuit: Circuit | undefined;
  /** undefined: no request is sent again. */
  readonly retry: Retry | undefined;
  /** Makes the header that lets the API know a request it has seen; undefined: there is none. */
  readonly idempotencyKey: (() => readonly [name: string, value: string]) | undefined;
  readonly limits: SendLimits;
  /** For the whole call. */
  readonly callTimeoutMs: number;
  readonly mapReply: MapReply;
  /** undefined: every answer is held whole. */
  readonly streamText: StreamText | undefined;
  /** undefined: one page is the whole answer. */
  readonly joinPages: JoinPages | undefined;
  /** What its audit records have in common. */
  readonly text: ToolText;
  /** Whether a call may change something: it is then announced in the audit log before it is sent. */
  readonly unsafe: boolean;
  /** Whether a call is refused while the audit log cannot be written. */
  readonly needsAudit: boolean;
}
