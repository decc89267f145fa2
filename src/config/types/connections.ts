import type { Position } from "../../base/issue.ts";
import type { Secret } from "../../base/secret.ts";
import type { RedisConfig } from "./redis.ts";

/** Accounts that people connect at third parties. */
export interface ConnectionsConfig {
  /** 32 bytes as base64 or hex; the first encrypts. Empty: one that lives as long as the process. */
  readonly keys: readonly Secret[];
  /** Absolute path; undefined: in memory, unless there is a Redis. */
  readonly dir: string | undefined;
  /** Shared by several replicas. */
  readonly redis: RedisConfig | undefined;
  /** How the page of a link finds out who is there. */
  readonly login: { readonly client: string; readonly scope: readonly string[] };
  readonly providers: ReadonlyMap<string, ProviderConfig>;
}

export interface ProviderConfig {
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  readonly client: string;
  /** undefined: from the metadata of the client's issuer. */
  readonly authorizationUrl: string | undefined;
  readonly revocationUrl: string | undefined;
  /** More of the authorization request. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Everything that the APIs with this connection need. */
  readonly scope: readonly string[];
  readonly position: Position;
}
