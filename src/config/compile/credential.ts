import { nearest } from "../../base/nearest.ts";
import type { CredentialConfig } from "../config.ts";
import { child, label, quote, scalarsOf, textOf, textsOf, type YamlNode } from "../node.ts";
import { didYouMean } from "../problems.ts";
import type { Scope } from "./scope.ts";
import { compileStatic } from "./static.ts";

/** @param clients Names of `auth.clients`. */
export function compileCredential(
  scope: Scope,
  node: YamlNode | undefined,
  clients: readonly string[],
): CredentialConfig {
  for (const kind of ["exchange", "clientCredentials"] as const) {
    const grant = child(node, kind);
    if (grant === undefined) continue;
    checkClient(scope, child(grant, "client"), clients);
    checkResources(scope, child(grant, "resource"));
    return {
      kind,
      client: textOf(child(grant, "client")) ?? "",
      audience: textsOf(child(grant, "audience")),
      resource: textsOf(child(grant, "resource")),
      scope: textsOf(child(grant, "scope")),
    };
  }
  const fixed = child(node, "static");
  return fixed === undefined ? { kind: "none" } : compileStatic(scope, fixed);
}

function checkClient(
  { problems }: Scope,
  node: YamlNode | undefined,
  clients: readonly string[],
): void {
  const name = textOf(node);
  if (node === undefined || name === undefined || clients.includes(name)) return;
  problems.error({
    at: node,
    code: "unknown_client",
    message: `${label(node)}: auth.clients has no ${quote(node)}`,
    help: node.origin === undefined ? didYouMean(nearest(name, clients)) : undefined,
  });
}

/** RFC 8707 §2: an absolute URI without a fragment. */
function checkResources({ problems }: Scope, list: YamlNode | undefined): void {
  for (const node of scalarsOf(list)) {
    const text = textOf(node);
    if (text === undefined || (URL.canParse(text) && !text.includes("#"))) continue;
    const message = `${label(node)} must be an absolute URI without fragment, not ${quote(node)}`;
    problems.error({ at: node, code: "invalid_url", message });
  }
}
