import { Secret } from "../../base/secret.ts";
import type { OtlpConfig } from "../config.ts";
import { child, entriesOf, textOf, type YamlNode } from "../node.ts";
import type { Problems } from "../problems.ts";
import { apiRules } from "../url.ts";
import { checkUrl } from "./scope.ts";

export function compileOtlp(node: YamlNode, problems: Problems): OtlpConfig {
  return {
    endpoint: checkUrl(child(node, "endpoint"), apiRules, problems) ?? "",
    headers: new Map(
      entriesOf(child(node, "headers")).map(([name, value]) => [
        name.toLowerCase(),
        new Secret(textOf(value) ?? ""),
      ]),
    ),
  };
}
