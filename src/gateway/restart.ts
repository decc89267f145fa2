import { ConfigError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";

/** What was opened at start stays as it is until a restart: saying so beats half a change. */
export function refuseRestart(before: Config, after: Config): void {
  const fixed = {
    "server.listen": (config: Config) => config.server.listen,
    "server.tls": ({ server: { tls } }: Config) =>
      tls && [tls.clientCertificate, tls.clientCa === undefined],
    "server.drain": (config: Config) => config.server.drain,
    admin: (config: Config) => config.admin,
    broker: (config: Config) => config.broker,
    "connections.dir": ({ connections }: Config) => connections?.dir,
    "connections.redis": ({ connections }: Config) => connections?.redis,
    audit: (config: Config) => config.audit,
    telemetry: (config: Config) => config.telemetry,
    replicas: (config: Config) => config.replicas,
    "limits.requestSize": (config: Config) => config.limits.maxRequestBytes,
    "limits.tokens": (config: Config) => config.limits.maxTokens,
    "limits.connections": (config: Config) => config.limits.maxConnections,
    "limits.listenStreams": (config: Config) => config.limits.maxListenStreams,
    "auth.keysDir": ({ auth }: Config) => (auth.mode === "oauth" ? auth.keysDir : undefined),
    "the paths of endpoints": (config: Config) => config.endpoints.map(({ path }) => path),
  };
  const changed = Object.entries(fixed).filter(
    ([, part]) => JSON.stringify(part(before)) !== JSON.stringify(part(after)),
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
