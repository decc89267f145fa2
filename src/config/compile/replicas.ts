import type { ApiConfig } from "../types/apis.ts";
import type { ConnectionsConfig } from "../types/connections.ts";
import type { ReplicasConfig } from "../types/replicas.ts";
import { child, label, nameOf } from "../node.ts";
import { compileRedis } from "./redis.ts";
import { durationOf, type Scope } from "./scope.ts";
import { compileSealKeys, makeKey } from "./seal-keys.ts";

export interface ReplicatedParts {
  readonly apis: readonly Pick<ApiConfig, "rules">[];
  readonly connections: Pick<ConnectionsConfig, "keys"> | undefined;
}

export function compileReplicas(
  scope: Scope,
  { apis, connections }: ReplicatedParts,
): ReplicasConfig | undefined {
  const { root, problems } = scope;
  const node = child(root, "replicas");
  const redis = child(node, "redis");
  if (node === undefined || redis === undefined) return undefined;
  const keys = compileSealKeys(scope, child(node, "keys"));
  const asks = apis.some(({ rules }) => rules.some(({ confirm }) => confirm !== undefined));
  if (asks && keys.length === 0 && (connections?.keys.length ?? 0) === 0) {
    const message = `${label(node)} needs "keys" for tools with confirm: the answer of a person may come to another gateway than the question came from`;
    problems.error({ at: nameOf(node), code: "missing_key", message, help: makeKey });
  }
  const timeoutMs = durationOf(child(redis, "timeout"), { min: "1ms", max: "5s" }, problems);
  return { keys, ...compileRedis(redis), timeoutMs };
}
