import { ConfigError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import type { Config } from "../config/config.ts";
import type { SinkConfig } from "../config/types/audit.ts";

/** What was opened at start stays as it is until a restart: saying so beats half a change. */
export function refuseRestart(before: Config, after: Config): void {
  const moves = spell(before.server.listen) !== spell(after.server.listen);
  const fixed = {
    // A listener of its own at another address can be another kind.
    "server.tls": ({ server: { tls } }: Config) =>
      moves ? undefined : tls && [tls.clientCertificate, tls.clientCa === undefined],
    "server.drain": (config: Config) => config.server.drain,
    broker: (config: Config) => config.broker,
    "connections.dir": ({ connections }: Config) => connections?.dir,
    "connections.redis": ({ connections }: Config) => connections?.redis,
    audit: ({ audit }: Config) => ({ ...audit, sinks: audit.sinks.map(withoutRenewed) }),
    telemetry: ({ telemetry: { otlp } }: Config) => otlp && { ...otlp, headers: undefined },
    replicas: ({ replicas }: Config) => replicas && { ...replicas, keys: undefined },
    "limits.requestSize": (config: Config) => config.limits.maxRequestBytes,
    "limits.tokens": (config: Config) => config.limits.maxTokens,
    "limits.connections": (config: Config) => config.limits.maxConnections,
    "limits.listenStreams": (config: Config) => config.limits.maxListenStreams,
    "auth.keysDir": ({ auth }: Config) => (auth.mode === "oauth" ? auth.keysDir : undefined),
    "the paths of endpoints": (config: Config) => config.endpoints.map(({ path }) => path),
  };
  const changed = Object.entries(fixed).filter(
    ([, part]) => spell(part(before)) !== spell(part(after)),
  );
  if (changed.length === 0) return;
  throw new ConfigError(
    changed.map(([key]) => ({
      severity: "error",
      code: "restart_required",
      message: `${key} changed and takes effect only at start`,
      position: { file: after.file, line: 1, column: 1 },
      help: "restart the gateway, or undo this change",
    })),
  );
}

/** What says who the gateway is to the other machine, and who that is, changes without a restart. */
function withoutRenewed(sink: SinkConfig): unknown {
  return { ...sink, secret: undefined, headers: undefined, ca: undefined };
}

/**
 * Everything that may differ, as JSON alone would not show secrets and maps. Never to be printed.
 * Where something stands in the file changes with every line above it and means nothing.
 */
function spell(part: unknown): string {
  return JSON.stringify([part], function (this: Record<string, unknown>, key, shown: unknown) {
    const value = this[key];
    if (key === "position") return undefined;
    if (value instanceof Secret) return value.reveal();
    if (value instanceof Map || value instanceof Set) return [...value];
    return shown;
  });
}
