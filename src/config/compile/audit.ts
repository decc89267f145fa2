import { createPrivateKey } from "node:crypto";
import { resolve } from "node:path";
import { Secret } from "../../base/secret.ts";
import type { AuditConfig, LimitsConfig, RotationConfig } from "../config.ts";
import { child, itemsOf, label, nameOf, textOf, type YamlNode } from "../node.ts";
import type { Problems } from "../problems.ts";
import { durationOf, numberOf, rateOf, type Scope, sizeOf } from "./scope.ts";

export function compileLimits({ root, problems }: Scope): LimitsConfig {
  const limits = child(root, "limits");
  const rates = child(limits, "rate");
  return {
    maxRequestBytes: sizeOf(child(limits, "requestSize"), problems),
    maxResponseBytes: sizeOf(child(limits, "responseSize"), problems),
    queue: numberOf(child(limits, "queue")),
    queueMs: durationOf(child(limits, "queueTimeout"), { min: "1ms", max: "60s" }, problems),
    maxPrincipalCalls: numberOf(child(limits, "principalConcurrency")),
    maxCalls: numberOf(child(limits, "totalConcurrency")),
    rates: {
      principal: rateOf(child(rates, "principal")),
      client: rateOf(child(rates, "client")),
      tool: rateOf(child(rates, "tool")),
      address: rateOf(child(rates, "address")),
    },
    callTimeoutMs: durationOf(child(limits, "callTimeout"), { min: "1ms", max: "600s" }, problems),
    maxListenStreams: numberOf(child(limits, "listenStreams")),
  };
}

export function compileAudit({ root, directory, problems }: Scope): AuditConfig {
  const audit = child(root, "audit");
  const seen = new Set<string>();
  const sinks = itemsOf(child(audit, "sinks")).map((node): AuditConfig["sinks"][number] => {
    const file = child(node, "file");
    const dir = file && resolve(directory, textOf(child(file, "dir")) ?? "");
    const key = dir ?? "stdout";
    if (seen.has(key)) {
      // Two writers of one file would break its chain of hashes.
      const message = "audit.sinks has the same sink twice";
      problems.error({ at: nameOf(node), code: "duplicate_item", message });
    }
    seen.add(key);
    return dir === undefined
      ? { kind: "stdout" }
      : { kind: "file", dir, rotation: compileRotation(child(file, "rotate"), problems) };
  });
  return {
    sinks,
    args: textOf(child(audit, "args")) === "none" ? "none" : "digest",
    durability: textOf(child(audit, "durability")) as AuditConfig["durability"],
    onFailure: textOf(child(audit, "onFailure")) as AuditConfig["onFailure"],
    signingKey: signingKey({ problems }, child(audit, "signingKey")),
  };
}

function compileRotation(
  node: YamlNode | undefined,
  problems: Problems,
): RotationConfig | undefined {
  if (node === undefined) return undefined;
  return {
    maxBytes: sizeOf(child(node, "size"), problems),
    everyMs: durationOf(child(node, "every"), { min: "1m", max: "8784h" }, problems),
    keep: Number(child(node, "keep")?.value ?? 0),
    compress: child(node, "compress")?.value === true,
  };
}

function signingKey(
  { problems }: Pick<Scope, "problems">,
  node: YamlNode | undefined,
): Secret | undefined {
  const text = textOf(node);
  if (node === undefined || text === undefined) return undefined;
  if (!isEd25519(text)) {
    problems.error({
      at: node,
      code: "invalid_key",
      message: `${label(node)} must be an unencrypted Ed25519 private key in PEM form (BEGIN PRIVATE KEY)`,
      help: "make one with: openssl genpkey -algorithm ed25519",
    });
  }
  return new Secret(text);
}

function isEd25519(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}
