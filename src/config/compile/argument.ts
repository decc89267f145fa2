import type { ArgConfig } from "../types/argument.ts";
import { child, label, nameOf, textOf, writtenChild, type YamlNode } from "../node.ts";
import type { Scope } from "./scope.ts";

export function compileArgument(scope: Scope, node: YamlNode): ArgConfig {
  const source = compileSource(node);
  if (source.kind !== "model")
    refuseModelKeys(scope, node, source.kind === "value" ? "value" : "from");
  return {
    source,
    name: textOf(child(node, "name")),
    description: textOf(child(node, "description")),
    default: child(node, "default")?.value,
    header: textOf(child(node, "header")),
    position: nameOf(node),
  };
}

/** The path starts after `principal`: `principal.claims.tenant` is `["claims", "tenant"]`. */
function compileSource(node: YamlNode): ArgConfig["source"] {
  const value = child(node, "value");
  if (value !== undefined) return { kind: "value", value: value.value };
  const from = textOf(child(node, "from"));
  if (from === undefined) return { kind: "model" };
  return { kind: "principal", path: from.split(".").slice(1) };
}

/** A hidden argument has no name, default, description or header, and one source. */
function refuseModelKeys({ problems }: Scope, node: YamlNode, source: string): void {
  for (const key of ["from", "name", "default", "description", "header"]) {
    const extra = writtenChild(node, key);
    if (extra === undefined || key === source) continue;
    const message = `${label(extra)} has no meaning beside "${source}": the model does not supply it`;
    problems.error({ at: nameOf(extra), code: "conflicting_keys", message });
  }
}
