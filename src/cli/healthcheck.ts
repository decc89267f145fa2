import { once } from "node:events";
import { connect } from "node:tls";
import { loadConfig } from "../config/load.ts";
import type { Listen } from "../config/types/server.ts";
import { exitCodes, printLine, type ExitCode, type Io } from "./io.ts";

const timeoutMs = 2_000;

/**
 * Asks the gateway of this configuration whether it lives; for container health checks, which have
 * no curl. Without an admin or metrics listener any answer of the public one counts.
 */
export async function healthcheck(
  options: { readonly config: string; readonly ready: boolean },
  io: Io,
): Promise<ExitCode> {
  const config = await loadConfig(options.config, io.env);
  const health = config.admin ?? config.metrics;
  if (options.ready && health === undefined) {
    printLine(
      io.stderr,
      "--ready needs a listener for it: set admin.listen or metrics.listen in gateway.yaml",
    );
    return exitCodes.usage;
  }
  if (health === undefined && config.server.tls !== undefined)
    return greet(config.server.listen, io);
  const path = options.ready ? "/readyz" : "/livez";
  const url = health ? `${originOf(health.listen)}${path}` : originOf(config.server.listen);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    const text = await response.text();
    if (health === undefined || response.ok) {
      printLine(io.stdout, "ok");
      return exitCodes.ok;
    }
    printLine(io.stderr, `${url} answered ${response.status} ${text.slice(0, 500)}`);
  } catch {
    printLine(io.stderr, `${url} does not answer; is the gateway running?`);
  }
  return exitCodes.refused;
}

/** A TLS handshake is an answer too. The certificate is that of the public name, which is not asked here. */
async function greet({ host, port }: Listen, io: Io): Promise<ExitCode> {
  const reachable = reachableHost(host);
  const socket = connect({ host: reachable, port, rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(timeoutMs) });
    printLine(io.stdout, "ok");
    return exitCodes.ok;
  } catch {
    printLine(io.stderr, `${reachable}:${port} does not answer; is the gateway running?`);
    return exitCodes.refused;
  } finally {
    socket.destroy();
  }
}

function originOf({ host, port }: Listen): string {
  const reachable = reachableHost(host);
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

function reachableHost(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}
