import { resolve } from "node:path";
import type { ApiConfig, ClientConfig, RefsConfig } from "../config.ts";
import { child, entriesOf, itemsOf, nameOf, textOf, textsOf, type YamlNode } from "../node.ts";
import { apiRules, documentRules } from "../url.ts";
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
      spec: locateSpec(scope, spec),
      specPosition: spec?.position ?? nameOf(node),
      overlays: itemsOf(child(node, "overlays")).map((overlay) => ({
        file: resolve(scope.directory, textOf(overlay) ?? ""),
        position: overlay.position,
      })),
      refs: compileRefs(scope, child(node, "refs")),
      url: checkUrl(child(node, "url"), apiRules, scope.problems),
      credential: compileCredential(scope, child(node, "credential"), names),
      timeoutMs: durationOf(child(node, "timeout"), { min: "1ms", max: "300s" }, scope.problems),
      deepObjectArrays: (textOf(child(node, "deepObjectArrays")) ??
        "repeat") as ApiConfig["deepObjectArrays"],
      redirects: compileRedirects(child(node, "redirects")),
      rules: itemsOf(child(node, "tools")).map((rule) => compileRule(scope, rule)),
      position: nameOf(node),
    };
  });
}

/** A path becomes absolute; a URL stays as written. */
function locateSpec({ directory, problems }: Scope, node: YamlNode | undefined): string {
  const text = textOf(node) ?? "";
  if (node === undefined || !/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) {
    return resolve(directory, text);
  }
  return checkUrl(node, documentRules, problems) ?? text;
}

function compileRedirects(node: YamlNode | undefined): ApiConfig["redirects"] {
  return node && { allowedHosts: textsOf(child(node, "allowedHosts")) };
}

function compileRefs({ directory }: Scope, node: YamlNode | undefined): RefsConfig {
  const texts = (key: string): readonly string[] =>
    itemsOf(child(node, key)).map((item) => textOf(item) ?? "");
  return {
    roots: texts("roots").map((root) => resolve(directory, root)),
    allowHosts: texts("allowHosts"),
    privateHosts: texts("privateHosts"),
  };
}
