import type { JsonObject, JsonSchema } from "../base/json.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { Operation } from "../openapi/operation/operation.ts";

/** Some model APIs refuse longer ones. */
const maxDescription = 1024;

/** The tool as `tools/list` shows it. */
export function describeTool(
  name: string,
  operation: Operation,
  rule: RuleConfig,
  inputSchema: JsonSchema,
): JsonObject {
  const title = rule.title ?? operation.summary;
  return {
    name,
    ...(title === "" ? {} : { title }),
    description: rule.description ?? describeOperation(operation),
    inputSchema,
    annotations: annotate(operation.method, rule.annotations),
  };
}

function describeOperation(operation: Operation): string {
  const { summary, description, method, path } = operation;
  const parts = description.startsWith(summary) ? [description] : [summary, description];
  const text = parts.filter((part) => part !== "").join("\n") || `${method} ${path}`;
  return shorten(operation.deprecated ? `DEPRECATED. ${text}` : text);
}

/** At the end of a sentence where there is one. */
function shorten(text: string): string {
  if (text.length <= maxDescription) return text;
  const head = text.slice(0, maxDescription - 1);
  const sentence = Math.max(head.lastIndexOf(". "), head.lastIndexOf(".\n"));
  return sentence > maxDescription / 2
    ? head.slice(0, sentence + 1)
    : `${head.replace(/[\ud800-\udbff]$/, "")}…`;
}

/** Hints from the method's defined semantics (RFC 9110 §9.2), where the rule says nothing else. */
function annotate(
  method: string,
  { readOnly, destructive, idempotent, openWorld }: RuleConfig["annotations"],
): JsonObject {
  const isSafe = readOnly ?? /^(?:GET|HEAD|OPTIONS|QUERY)$/.test(method);
  const isIdempotent = idempotent ?? (isSafe || method === "PUT" || method === "DELETE");
  return {
    readOnlyHint: isSafe,
    ...(isSafe ? {} : { destructiveHint: destructive ?? true }),
    ...(isIdempotent || idempotent !== undefined ? { idempotentHint: isIdempotent } : {}),
    openWorldHint: openWorld ?? true,
  };
}
