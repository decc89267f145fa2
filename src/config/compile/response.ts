import type { ResponseConfig } from "../config.ts";
import { child, textOf, textsOf, type YamlNode } from "../node.ts";

export function compileResponse(node: YamlNode | undefined): ResponseConfig {
  const select = child(node, "select");
  return {
    select: select && { expression: textOf(select) ?? "", position: select.position },
    fields: textsOf(child(node, "fields")),
    headers: textsOf(child(node, "headers")),
    maxPages: Number(child(node, "maxPages")?.value),
    maxTokens: Number(child(node, "maxTokens")?.value),
  };
}
