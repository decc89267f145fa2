import { Secret } from "../../base/secret.ts";
import type { Config } from "../config.ts";
import type { OtlpConfig } from "../types/telemetry.ts";
import { child, entriesOf, textOf, textsOf, type YamlNode } from "../node.ts";
import type { Problems } from "../problems.ts";
import { apiRules } from "../url.ts";
import { checkUrl, type Scope } from "./scope.ts";

export function compileTelemetry({ root, problems }: Scope): Config["telemetry"] {
  const telemetry = child(root, "telemetry");
  const otlp = child(telemetry, "otlp");
  const ratio = Number(child(otlp, "ratio")?.value ?? 0);
  return {
    otlp: otlp && { ...compileOtlp(otlp, problems), ratio },
    baggage: new Set(textsOf(child(telemetry, "baggage"))),
  };
}

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
