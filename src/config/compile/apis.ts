import { resolve } from "node:path";
import type { ApiConfig, ClientConfig } from "../config.ts";
import { child, entriesOf, itemsOf, label, nameOf, textOf, type YamlNode } from "../node.ts";
import { apiRules } from "../url.ts";
import { compileCredential } from "./credential.ts";
import { compileRule } from "./rule.ts";
import { checkUrl, durationOf, type Scope } from "./scope.ts";

export function compileApis(
  scope: Scope,
  clients: ReadonlyMap<string, ClientConfig>,
): readonly ApiConfig[] {
  const names = [...clients.keys()];
  return entriesOf(child(scope.root, "apis")).map(([id, node]) => {
    const spec = child(node, "spec");
    return {
      id,
      spec: specPath(scope, spec),
      specPosition: spec?.position ?? nameOf(node),
      url: checkUrl(child(node, "url"), apiRules, scope.problems),
      credential: compileCredential(scope, child(node, "credential"), names),
      timeoutMs: durationOf(child(node, "timeout"), { min: "1ms", max: "300s" }, scope.problems),
      deepObjectArrays: (textOf(child(node, "deepObjectArrays")) ??
        "repeat") as ApiConfig["deepObjectArrays"],
      rules: itemsOf(child(node, "tools")).map((rule) => compileRule(scope, rule)),
      position: nameOf(node),
    };
  });
}

function specPath({ directory, problems }: Scope, node: YamlNode | undefined): string {
  const text = textOf(node) ?? "";
  if (node !== undefined && /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) {
    const message = `${label(node)} must be a file path: remote documents are not supported yet`;
    const help = "download the document and name the file";
    problems.error({ at: node, code: "remote_spec", message, help });
  }
  return resolve(directory, text);
}
