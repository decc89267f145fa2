import { createHash } from "node:crypto";
import { AuthError } from "../base/errors.ts";
import { exactFormOf, printExactly } from "../base/exact-number.ts";
import type { JsonObject } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import { isFor, type Tickets } from "../upstream/credential/ticket.ts";

/** A call that was answered with a request for input, when it comes again. */
interface PausedCall {
  readonly principal: Principal;
  readonly tool: string;
  readonly args: JsonObject;
}

/** Why a call was answered with a request for input. */
export interface Pause {
  /** `connect`: an account has to be connected; `confirm`: the person has to agree. */
  readonly for: "connect" | "confirm";
  /** Digest of the question that was asked, or agreed to before; undefined: nobody has to agree. */
  readonly question: string | undefined;
}

/**
 * What a client carries from the first round of a call to the second. It lets nobody do anything that
 * they may not: the second round meets the same checks as the first. But what a person has agreed to
 * is known from here alone: this call by this person, once.
 */
export interface RequestState {
  readonly issue: (call: PausedCall, pause: Pause) => string;
  /**
   * @throws AuthError `access_denied`: another person's.
   * @throws InvalidStateError anything else that is not the state of this call, or was used before.
   */
  readonly accept: (state: string, call: PausedCall) => Promise<Pause>;
}

export class InvalidStateError extends Error {
  override readonly name = "InvalidStateError";
}

const place = "request-state";

export function createRequestState(tickets: Tickets): RequestState {
  return {
    issue: (call, { for: reason, question = null }) => {
      const { iss, sub } = call.principal;
      return tickets.issue(place, { iss, sub, call: digestOf(call), for: reason, question });
    },
    async accept(state, call) {
      const ticket = tickets.read(place, state);
      if (ticket === undefined) throw new InvalidStateError("unreadable");
      if (!isFor(ticket, call.principal))
        throw new AuthError("access_denied", "foreign_request_state");
      const { content } = ticket;
      if (content["call"] !== digestOf(call)) throw new InvalidStateError("another call");
      if (!(await tickets.use(ticket))) throw new InvalidStateError("used");
      const { question } = content;
      return {
        for: content["for"] === "confirm" ? "confirm" : "connect",
        question: typeof question === "string" ? question : undefined,
      };
    },
  };
}

/** Of every digit: two numbers that are one to JavaScript are two calls. */
function digestOf({ tool, args, principal: { clientId } }: PausedCall): string {
  const text = printExactly([tool, exactFormOf(args), clientId ?? null]);
  return createHash("sha256").update(text).digest("base64url");
}
