import type { ResponseConfig } from "../types/response.ts";
import { child, label, nameOf, textOf, textsOf, writtenChild, type YamlNode } from "../node.ts";
import type { Scope } from "./scope.ts";

export function compileResponse(scope: Scope, node: YamlNode | undefined): ResponseConfig {
  const select = child(node, "select");
  return {
    select: select && { expression: textOf(select) ?? "", position: select.position },
    fields: textsOf(child(node, "fields")),
    headers: textsOf(child(node, "headers")),
    schema: compileSchema(scope, node),
    maxPages: Number(child(node, "maxPages")?.value),
    maxTokens: Number(child(node, "maxTokens")?.value),
  };
}

/** What `select` and `fields` leave over is not what the document declares. */
function compileSchema({ problems }: Scope, node: YamlNode | undefined): ResponseConfig["schema"] {
  const mode = (textOf(child(node, "schema")) ?? "none") as ResponseConfig["schema"];
  const filter = writtenChild(node, "select") ?? writtenChild(node, "fields");
  const written = writtenChild(node, "schema");
  if (mode !== "none" && filter !== undefined && written !== undefined) {
    const message = `${label(written)} has no meaning beside "select" or "fields": the declared schema is not that of what they leave`;
    problems.error({ at: nameOf(written), code: "conflicting_keys", message });
  }
  return mode;
}
