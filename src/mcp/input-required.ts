import type { Call } from "../call/call.ts";
import type { BlockReply } from "../upstream/reply/reply.ts";
import type { Pause, RequestState } from "./request-state.ts";

/** 2026-07-28: the call is asked again once the person has answered. */
export interface InputRequired {
  readonly resultType: "input_required";
  /** One, named after what the call waits for. */
  readonly inputRequests: Readonly<Record<string, InputRequest>>;
  readonly requestState: string;
}

interface InputRequest {
  readonly method: "elicitation/create";
  readonly params:
    | { readonly mode: "url"; readonly url: string; readonly message: string }
    | {
        readonly mode: "form";
        readonly message: string;
        readonly requestedSchema: { readonly type: "object"; readonly properties: object };
      };
}

/** Nothing to fill in: the person agrees or does not. */
const emptyForm = { type: "object", properties: {} } as const;

/** undefined: the answer waits for nobody. */
export function inputRequired(
  { errand, question }: BlockReply,
  { principal, tool, args, consent }: Call,
  requestState: RequestState,
): InputRequired | undefined {
  const pauseWith = (params: InputRequest["params"], pause: Pause): InputRequired => ({
    resultType: "input_required",
    inputRequests: { [pause.for]: { method: "elicitation/create", params } },
    requestState: requestState.issue({ principal, tool, args }, pause),
  });
  if (question !== undefined) {
    const { message, digest } = question;
    const params = { mode: "form", message, requestedSchema: emptyForm } as const;
    return pauseWith(params, { for: "confirm", question: digest });
  }
  if (errand === undefined) return undefined;
  const { url, reason: message } = errand;
  // Who has agreed to a call is not asked again because an account was missing then.
  const agreed = consent.kind === "given" ? consent.question : undefined;
  return pauseWith({ mode: "url", url, message }, { for: "connect", question: agreed });
}
