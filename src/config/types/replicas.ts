import type { Secret } from "../../base/secret.ts";
import type { RedisConfig } from "./redis.ts";

/** A Redis that all replicas use. */
export interface ReplicasConfig extends RedisConfig {
  /** Seal what a client takes from one replica to another: the first seals, all open. */
  readonly keys: readonly Secret[];
  /** How long a call waits for its answer. */
  readonly timeoutMs: number;
}
