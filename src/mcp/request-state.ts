import { createHash } from "node:crypto";
import { AuthError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import { isFor, type Tickets } from "../upstream/credential/ticket.ts";

/** A call that was answered with a request for input, when it comes again. */
interface PausedCall {
  readonly principal: Principal;
  readonly tool: string;
  readonly args: JsonObject;
}

/**
 * What a client carries from the first round of a call to the second. It lets nobody do anything:
 * the second round meets the same checks as the first. It is checked all the same, because a state
 * of another person or call is an attack or a broken client.
 */
export interface RequestState {
  readonly issue: (call: PausedCall) => string;
  /**
   * @throws AuthError `access_denied`: another person's.
   * @throws InvalidStateError anything else that is not the state of this call, or was used before.
   */
  readonly accept: (state: string, call: PausedCall) => Promise<void>;
}

export class InvalidStateError extends Error {
  override readonly name = "InvalidStateError";
}

const place = "request-state";

export function createRequestState(tickets: Tickets): RequestState {
  return {
    issue: (call) => {
      const { iss, sub } = call.principal;
      return tickets.issue(place, { iss, sub, call: digestOf(call) });
    },
    async accept(state, call) {
      const ticket = tickets.read(place, state);
      if (ticket === undefined) throw new InvalidStateError("unreadable");
      if (!isFor(ticket, call.principal))
        throw new AuthError("access_denied", "foreign_request_state");
      if (ticket.content["call"] !== digestOf(call)) throw new InvalidStateError("another call");
      if (!(await tickets.use(ticket))) throw new InvalidStateError("used");
    },
  };
}

function digestOf({ tool, args, principal: { clientId } }: PausedCall): string {
  const text = JSON.stringify([tool, args, clientId ?? null]);
  return createHash("sha256").update(text).digest("base64url");
}
