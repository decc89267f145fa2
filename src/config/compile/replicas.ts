import { Secret } from "../../base/secret.ts";
import type { ReplicasConfig } from "../config.ts";
import { child, textOf } from "../node.ts";
import { durationOf, type Scope } from "./scope.ts";

export function compileReplicas({ root, problems }: Scope): ReplicasConfig | undefined {
  const redis = child(child(root, "replicas"), "redis");
  if (redis === undefined) return undefined;
  const password = textOf(child(redis, "password"));
  return {
    url: textOf(child(redis, "url")) ?? "",
    username: textOf(child(redis, "username")),
    password: password === undefined ? undefined : new Secret(password),
    prefix: textOf(child(redis, "prefix")) ?? "",
    timeoutMs: durationOf(child(redis, "timeout"), { min: "1ms", max: "5s" }, problems),
  };
}
