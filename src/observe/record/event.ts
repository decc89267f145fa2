import type { JsonObject } from "../../base/json.ts";
import type { Principal } from "../../base/principal.ts";
import type { Client } from "./client.ts";
import type { ToolText } from "./text.ts";
import type { IncomingTrace, TraceParent } from "../trace-context.ts";

/** Which request of which caller. */
export interface Origin {
  readonly principal: Principal;
  readonly transport: "http" | "stdio" | "cli";
  /** Revision of MCP, where the request names one. */
  readonly protocol: string | undefined;
  /** `id` of JSON-RPC. */
  readonly requestId: string | number | undefined;
  readonly client: Client | undefined;
  /** Read only where traces are configured. */
  readonly trace?: IncomingTrace | undefined;
}

export interface RecordedCall extends Origin {
  /** As the caller spelled it. */
  readonly tool: string;
  readonly args: JsonObject | undefined;
}

type Outcome = "success" | "failure" | "denied" | "cancelled" | "shed";

/** How a call ended. */
export interface CallEnd {
  readonly event: "tool.call" | "policy.deny" | "rate.deny" | "auth.deny";
  readonly outcome: Outcome;
  /** Stable and snake_case: the code of the error. */
  readonly reason: string | undefined;
  /** Which limit refused, with `rate.deny`. */
  readonly limit?: string;
}

/** What a person said who was asked to agree to a call, and where. */
export interface Confirmation {
  readonly answer: "accept" | "decline" | "cancel";
  /** `option`: nobody was asked, the caller had said it beforehand. */
  readonly by: "form" | "terminal" | "option";
}

/** What became known on the road; filled while the call goes on. */
export interface CallTrace {
  /** undefined where no traces are configured. */
  readonly span: Pick<TraceParent, "traceId" | "spanId"> | undefined;
  /** Of the tool that was found, whether the caller may know of it or not. */
  tool: ToolText | undefined;
  /** undefined: nobody had to agree, or nobody has answered. */
  confirmation: Confirmation | undefined;
  /** `id` of the record that announced the call. */
  intent: string | undefined;
  readonly startedAt: number;
  /** When the first request went out. */
  sentAt: number;
  attempts: number;
  /** Of the answer to the last attempt; undefined: there was none. */
  status: number | undefined;
  /** When the last answer was whole. */
  answeredAt: number;
  /** Of the last answer; more than nothing without a `status` only where it was passed on until it broke off. */
  answerBytes: number;
  /** The last answer; undefined while there is none. */
  answer: Buffer | undefined;
  isError: boolean;
  endedAt: number;
}

/** Everything that is no call. */
export interface Note {
  readonly event:
    | "auth.deny"
    | "auth.logout"
    | "policy.deny"
    | "rate.deny"
    | "request.reject"
    | "tool.list"
    | "token.exchange"
    | "config.reload"
    /** The embedded authorization server did something: `detail.broker.action` says what. */
    | "broker.action"
    /** A person connected or disconnected an account: `detail.connection` says which. */
    | "connection.action"
    | "server.start"
    | "server.stop"
    | "audit.gap"
    /** An old file of the log is about to be removed, as `rotate.keep` says. */
    | "audit.remove";
  readonly outcome: Outcome;
  readonly reason: string | undefined;
  readonly principal: Principal | undefined;
  readonly transport: "http" | "stdio" | "cli" | undefined;
  readonly client: Client | undefined;
  readonly requestId: string | number | undefined;
  /** Members of the record that only this event has. */
  readonly detail: JsonObject | undefined;
}

/** What a note says that no request led to. */
export const nobody = {
  principal: undefined,
  transport: undefined,
  client: undefined,
  requestId: undefined,
  detail: undefined,
} as const;
