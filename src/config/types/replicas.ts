import type { Secret } from "../../base/secret.ts";

/** A Redis that all replicas use. */
export interface ReplicasConfig {
  /** Seal what a client takes from one replica to another: the first seals, all open. */
  readonly keys: readonly Secret[];
  /** Without user and password. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** In front of every key. */
  readonly prefix: string;
  /** How long a call waits for its answer. */
  readonly timeoutMs: number;
}
