import type { Issue, Position } from "../base/issue.ts";
import type { Secret } from "../base/secret.ts";
import type { ApiConfig } from "./types/apis.ts";
import type { AuditConfig } from "./types/audit.ts";
import type { AuthConfig } from "./types/auth.ts";
import type { BrokerConfig } from "./types/broker.ts";
import type { ClientConfig } from "./types/clients.ts";
import type { ConnectionsConfig } from "./types/connections.ts";
import type { EndpointConfig } from "./types/endpoints.ts";
import type { LimitsConfig } from "./types/limits.ts";
import type { ReplicasConfig } from "./types/replicas.ts";
import type { WhenConfig } from "./types/rule.ts";
import type { AdminConfig, MetricsConfig, ServerConfig } from "./types/server.ts";
import type { TracesConfig } from "./types/telemetry.ts";

/**
 * What gateway.yaml means, with every default filled in and every unit in the name. No field is
 * optional: a part that may be absent is `undefined`, a choice is a union by `kind`.
 */
export interface Config {
  /** Absolute path of gateway.yaml; relative paths inside it start at its directory. */
  readonly file: string;
  /** Absolute paths of every file read so far (gateway.yaml and `${file:…}`): what a reload watches. */
  readonly files: readonly string[];
  readonly server: ServerConfig;
  readonly admin: AdminConfig | undefined;
  readonly metrics: MetricsConfig | undefined;
  readonly auth: AuthConfig;
  /** CEL that must hold for every tool. */
  readonly when: WhenConfig | undefined;
  /** OAuth clients that the gateway itself is, by their name in gateway.yaml. */
  readonly clients: ReadonlyMap<string, ClientConfig>;
  /** PEM keys for `signedJwt`; the first signs. Empty: the gateway makes and changes its own. */
  readonly signingKeys: readonly { readonly key: Secret; readonly position: Position }[];
  readonly broker: BrokerConfig | undefined;
  /** undefined: no API is called with an account that a person connected. */
  readonly connections: ConnectionsConfig | undefined;
  readonly apis: readonly ApiConfig[];
  /** `locked`: only tools that the lock file beside gateway.yaml has serve. */
  readonly trust: "auto" | "locked";
  /** Absolute path of the directory that keeps fetched documents for the next start. */
  readonly specsDir: string;
  readonly endpoints: readonly EndpointConfig[];
  readonly limits: LimitsConfig;
  /** What several gateways with this configuration have in common; undefined: each is alone. */
  readonly replicas: ReplicasConfig | undefined;
  readonly audit: AuditConfig;
  readonly telemetry: {
    /** undefined: no traces. */
    readonly otlp: TracesConfig | undefined;
    /** Names of callers' baggage that APIs are told. */
    readonly baggage: ReadonlySet<string>;
  };
  /** Findings that do not keep the gateway from starting. */
  readonly warnings: readonly Issue[];
}
