import { CallError, type Question } from "../base/errors.ts";
import type { Enter } from "../limits/limits.ts";
import type { CallTrace } from "../observe/record/event.ts";
import type { Call } from "./call.ts";

/** How calls of one tool are agreed to. */
export interface Confirm {
  /**
   * @throws CallError `confirmation_required` with the question, `confirmation_declined`,
   *   `confirmation_unavailable`
   */
  readonly check: (call: Call, trace: CallTrace) => void;
  /** How a call comes in; one that was asked about was counted then, and is not counted again. */
  readonly enterFor: (call: Call) => Enter;
}

export interface ConfirmParts {
  readonly ask: (args: Call["args"]) => Question;
  readonly enter: Enter;
  /** Without rates. */
  readonly enterAgain: Enter;
}

export function createConfirm({ ask, enter, enterAgain }: ConfirmParts): Confirm {
  return {
    enterFor: ({ consent }) => (consent.kind === "given" && consent.counted ? enterAgain : enter),
    check({ consent, args }, trace) {
      if (consent.kind === "unavailable") {
        const message = `This tool needs the agreement of a person, and nobody can be asked here; nothing was sent. ${consent.advice}`;
        throw new CallError("confirmation_unavailable", message);
      }
      if (consent.kind === "refused") {
        const { answer, by } = consent;
        trace.confirmation = { answer, by };
        throw new CallError("confirmation_declined", refusals[answer]);
      }
      const question = ask(args);
      if (consent.kind === "given" && isAnswered(question, consent.question)) {
        trace.confirmation = { answer: "accept", by: consent.by };
        return;
      }
      const message = "This call waits for the agreement of a person; nothing was sent.";
      throw new CallError("confirmation_required", message, { question });
    },
  };
}

/** A reload may have made another tool of it since. */
function isAnswered({ digest }: Question, answered: string | undefined): boolean {
  return answered === undefined || answered === digest;
}

const refusals = {
  decline:
    "The person did not agree to this call; nothing was sent. Do not try again unless they ask for it.",
  cancel:
    "The person closed the question without an answer; nothing was sent. Ask them before you try again.",
} as const;
