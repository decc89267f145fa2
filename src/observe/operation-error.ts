import type { CallEnd } from "./record/event.ts";

/** `error.type` of the conventions, and the code of a JSON-RPC error where the answer is one. */
export function errorOf({ outcome, reason = "" }: CallEnd): readonly [error: string, code: string] {
  if (outcome === "success") return ["", ""];
  if (reason === "unknown_tool") return ["-32602", "-32602"];
  if (reason === "internal_error") return ["-32603", "-32603"];
  return [reason === "insufficient_scope" ? reason : "tool_error", ""];
}
