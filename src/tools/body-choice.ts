import type { Issue } from "../base/issue.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { Body, Operation } from "../openapi/operation/operation.ts";

/** The one body an operation is called with, or why it cannot be called. */
export type BodyChoice =
  | { readonly kind: "served"; readonly operation: Operation; readonly warnings: readonly Issue[] }
  | { readonly kind: "skipped"; readonly issue: Issue };

/**
 * The media type that the rule names, else the first that can be sent right. Without one, an
 * operation that needs a body is no tool: a body in another form than the API reads is worse than
 * none.
 */
export function chooseBody(operation: Operation, rule: RuleConfig): BodyChoice {
  const { bodies, bodyRequired, method, path, position } = operation;
  const served = (chosen: readonly Body[], warnings: readonly Issue[] = []): BodyChoice => ({
    kind: "served",
    operation: { ...operation, bodies: chosen, bodyRequired: bodyRequired && chosen.length > 0 },
    warnings,
  });
  if (bodies.length === 0) return served(bodies);
  const warning = { severity: "warning", position, help: undefined } as const;
  if (/^(?:GET|HEAD)$/.test(method) && !rule.allowGetBody) {
    const message = `the body of ${method} ${path} is left out: it has no defined meaning`;
    const help = "allowGetBody: true sends it";
    return served([], [{ ...warning, code: "body_left_out", message, help }]);
  }
  const types = bodies.map(({ mediaType }) => mediaType).join(", ");
  const { mediaType } = rule;
  const named = bodies.filter((body) => mediaType === undefined || body.mediaType === mediaType);
  if (named.length === 0) {
    const message = `${method} ${path} takes no body as ${mediaType}; there is no tool for it`;
    const help = `it takes ${types}`;
    return {
      kind: "skipped",
      issue: { ...warning, code: "unsupported_media_type", message, help },
    };
  }
  const body = named.find(isWritable);
  if (body !== undefined) return served([body]);
  const message = bodyRequired
    ? `${method} ${path} takes its body as ${types} in a charset that is not sent; there is no tool for it`
    : `${method} ${path} takes a body as ${types} in a charset that is not sent; its tool sends none`;
  const issue: Issue = { ...warning, code: "unsupported_media_type", message };
  return bodyRequired ? { kind: "skipped", issue } : served([], [issue]);
}

/** Bodies are written in UTF-8, so one that is declared in another charset would arrive garbled. */
function isWritable({ contentType }: Body): boolean {
  if (!/^[\t -~]*$/.test(contentType)) return false;
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType)?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset);
}
