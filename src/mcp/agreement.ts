import { isJsonObject, type JsonValue } from "../base/json.ts";
import type { Consent } from "../call/consent.ts";
import type { Pause } from "./request-state.ts";

/** The client shows its person no forms, or there is no way to ask for one: 2025 over HTTP. */
export const cannotAsk: Consent = {
  kind: "unavailable",
  advice:
    "Let the person call it from a client that shows forms (elicitation): of MCP 2026-07-28, or of 2025-11-25 over stdio.",
};

export const notAsked: Consent = { kind: "open" };

/** Whether a client shows forms; one that names no kind of elicitation means this one. */
export function showsForms(capabilities: JsonValue | undefined): boolean {
  const elicitation = isJsonObject(capabilities) ? capabilities["elicitation"] : undefined;
  if (!isJsonObject(elicitation)) return false;
  return isJsonObject(elicitation["form"]) || elicitation["url"] === undefined;
}

/**
 * @param pause Why the round before ended; undefined: there was none.
 * @param responses What the client says that its person answered; nothing without a round before.
 */
export function consentOf(
  pause: Pause | undefined,
  responses: unknown,
  capabilities: JsonValue | undefined,
): Consent {
  const asked = showsForms(capabilities) ? notAsked : cannotAsk;
  const question = pause?.question;
  if (pause === undefined || question === undefined) return asked;
  // It was agreed to before the account turned out to be missing.
  if (pause.for === "connect") return { kind: "given", by: "form", question, counted: false };
  const response = isJsonObject(responses) ? responses["confirm"] : undefined;
  const action = isJsonObject(response) ? response["action"] : undefined;
  if (action === "accept") return { kind: "given", by: "form", question, counted: true };
  if (action === "decline" || action === "cancel")
    return { kind: "refused", by: "form", answer: action };
  return asked;
}
