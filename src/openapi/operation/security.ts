import { escapeText } from "../../base/text.ts";
import type { Warn } from "../document/finding.ts";
import { child, children, descend, type Node, textOf, textsOf } from "../document/node.ts";
import type { Operation, SecurityScheme } from "./operation.ts";
import { isFailure, type References } from "../document/reference.ts";
import type { DialectAt } from "../document/version.ts";

/** Schemes of a kind that is not known are left out with a warning. */
export function readSecuritySchemes(
  root: Node,
  { dialectAt, references, warn }: { dialectAt: DialectAt; references: References; warn: Warn },
): ReadonlyMap<string, SecurityScheme> {
  const schemes = new Map<string, SecurityScheme>();
  for (const [name, written] of children(descend(root, dialectAt(root.at).securitySchemes))) {
    const node = references.follow(written);
    const scheme = isFailure(node) ? undefined : readScheme(node);
    if (scheme !== undefined) {
      schemes.set(name, scheme);
      continue;
    }
    const message = `the security scheme "${escapeText(name, 64)}" is of no known kind; it is left out`;
    warn({ code: "unknown_security_scheme", message, at: written.at });
  }
  return schemes;
}

function readScheme(node: Node): SecurityScheme | undefined {
  const type = textOf(node, "type") ?? "";
  switch (type) {
    case "apiKey": {
      const [where, name] = [textOf(node, "in"), textOf(node, "name")];
      const known = where === "header" || where === "query" || where === "cookie";
      return known && name !== undefined ? { kind: "apiKey", in: where, name } : undefined;
    }
    case "http":
      return { kind: "http", scheme: (textOf(node, "scheme") ?? "").toLowerCase() };
    case "basic": // 2.0
      return { kind: "http", scheme: "basic" };
    case "oauth2":
    case "openIdConnect":
    case "mutualTLS":
      return { kind: type };
    default:
      return undefined;
  }
}

/** The operation's own requirement, else the document's. */
export function effectiveSecurity(operation: Node, root: Node): Operation["security"] {
  const security = child(operation, "security") ?? child(root, "security");
  return children(security).map(
    ([, alternative]) =>
      new Map(children(alternative).map(([name, scopes]) => [name, textsOf(scopes)])),
  );
}
