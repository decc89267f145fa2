import type { Secret } from "../../base/secret.ts";

export interface RedisConfig {
  /** Without user and password. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** In front of every key. */
  readonly prefix: string;
}
