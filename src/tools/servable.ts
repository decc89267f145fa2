import type { Issue } from "../base/issue.ts";
import type { ApiDocument, Operation, SkippedOperation } from "../openapi/operation/operation.ts";
import { climbs } from "./dot-segment.ts";

/**
 * Sets apart the operations that no request can be built for, as if the document had not been
 * readable there.
 */
export function keepServable(document: ApiDocument): ApiDocument {
  const operations: Operation[] = [];
  const skipped: SkippedOperation[] = [...document.skipped];
  for (const operation of document.operations) {
    const issue = findFault(operation);
    if (issue === undefined) operations.push(operation);
    else {
      const { id, method, path, tags } = operation;
      skipped.push({ id, method, path, tags, issue });
    }
  }
  return { ...document, operations, skipped };
}

function findFault({ method, path, position }: Operation): Issue | undefined {
  const fault = (code: string, message: string): Issue => ({
    severity: "warning",
    code,
    message: `${method} ${path} ${message}; there is no tool for it`,
    position,
    help: undefined,
  });
  // They open a tunnel or echo credentials (RFC 9110 §9.3.6, §9.3.8).
  if (/^(?:connect|trace)$/i.test(method)) return fault("method_not_served", "is never called");
  // No value can do more harm than what stands in the template itself.
  const literal = path.replace(/\{[^{}]*\}/g, "x");
  return climbs(literal) ? fault("bad_path", 'has a "." or ".." segment') : undefined;
}
