import { resolve } from "node:path";
import type { AuditConfig, LimitsConfig } from "../config.ts";
import { child, itemsOf, nameOf, textOf } from "../node.ts";
import { type Scope, sizeOf } from "./scope.ts";

export function compileLimits({ root, problems }: Scope): LimitsConfig {
  const limits = child(root, "limits");
  return {
    maxRequestBytes: sizeOf(child(limits, "requestSize"), problems),
    maxResponseBytes: sizeOf(child(limits, "responseSize"), problems),
    maxConcurrentCalls: Number(child(limits, "concurrency")?.value ?? 0),
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
    return dir === undefined ? { kind: "stdout" } : { kind: "file", dir };
  });
  return { sinks, args: textOf(child(audit, "args")) === "none" ? "none" : "digest" };
}
