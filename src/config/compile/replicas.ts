import type { ReplicasConfig } from "../config.ts";
import { child } from "../node.ts";
import { compileRedis } from "./redis.ts";
import { durationOf, type Scope } from "./scope.ts";

export function compileReplicas({ root, problems }: Scope): ReplicasConfig | undefined {
  const redis = child(child(root, "replicas"), "redis");
  if (redis === undefined) return undefined;
  const timeoutMs = durationOf(child(redis, "timeout"), { min: "1ms", max: "5s" }, problems);
  return { ...compileRedis(redis), timeoutMs };
}
