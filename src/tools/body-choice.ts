import type { Issue } from "../base/issue.ts";
import { kindOf, type MediaKind } from "../openapi/media.ts";
import type { Body, Operation } from "../openapi/operation.ts";

/** The one body an operation is called with, or why it cannot be called. */
export type BodyChoice =
  | { readonly kind: "served"; readonly bodies: readonly Body[]; readonly warnings: Issue[] }
  | { readonly kind: "skipped"; readonly issue: Issue };

/** What `upstream/body.ts` can write. */
const written = new Set<MediaKind>(["json", "text", "xml"]);

/**
 * The first body that can be sent right. Without one, an operation that needs a body is no tool:
 * a body in another form than the API reads is worse than none.
 */
export function chooseBody(operation: Operation): BodyChoice {
  const { bodies, bodyRequired, method, path, position } = operation;
  const body = bodies.find(isWritable);
  if (body !== undefined) return { kind: "served", bodies: [body], warnings: [] };
  if (bodies.length === 0) return { kind: "served", bodies, warnings: [] };
  const types = bodies.map(({ mediaType }) => mediaType).join(", ");
  const issue: Issue = {
    severity: "warning",
    code: "unsupported_media_type",
    message: bodyRequired
      ? `${method} ${path} takes its body as ${types}, which cannot be sent yet; there is no tool for it`
      : `${method} ${path} takes a body as ${types}, which cannot be sent yet; its tool sends none`,
    position,
    help: undefined,
  };
  return bodyRequired
    ? { kind: "skipped", issue }
    : { kind: "served", bodies: [], warnings: [issue] };
}

/** Bodies are written in UTF-8, so one that is declared in another charset would arrive garbled. */
function isWritable({ mediaType, contentType }: Body): boolean {
  if (!/^[\t -~]*$/.test(contentType) || !written.has(kindOf(mediaType).kind)) return false;
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType)?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset);
}
