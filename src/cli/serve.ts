import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describeIssue } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { Principal } from "../base/principal.ts";
import { createGateway, type Gateway, type ReloadReport } from "../gateway.ts";
import { createGauge } from "../limits/pressure.ts";
import type { Endpoint, Snapshot } from "../gateway/snapshot.ts";
import { readServerInfo } from "./info.ts";
import { exitCodes, type ExitCode, type Io } from "./io.ts";
import { createPorts, gatewayOptions, writerOf } from "./setup.ts";

export interface ServeOptions {
  readonly config: string;
  readonly stdio: boolean;
  readonly watch: boolean;
  readonly logLevel: string;
}

/** Serves until a signal, or in stdio mode until the client closes its end. */
export async function serve(options: ServeOptions, io: Io): Promise<ExitCode> {
  const ports = createPorts(io, options.logLevel);
  // In stdio mode standard output belongs to the protocol.
  const auditStream = options.stdio ? io.stderr : io.stdout;
  const gateway = await createGateway({
    ...gatewayOptions(io, options.config, ports),
    writeAudit: writerOf(auditStream),
    pressure: createGauge,
  });
  for (const issue of gateway.snapshot.warnings) {
    ports.log.warn("config_warning", { finding: describeIssue(issue) });
  }
  const report = (result: ReloadReport): void => logReload(result, ports);
  if (options.watch) gateway.watch(report);
  io.onSignal(["SIGHUP"], () => {
    gateway.reload().then(report, (cause: unknown) => {
      ports.log.error("reload_failed", {}, cause);
    });
  });
  io.onInterrupt(() => gateway.interrupted("interrupted"));
  try {
    const cut = options.stdio
      ? await serveStdio(gateway, io, ports)
      : await serveHttp(gateway, io, ports);
    return await stop(gateway, cut, ports);
  } catch (error) {
    // A port was taken: what did open would keep the process alive.
    await gateway.close();
    throw error;
  }
}

/**
 * Within the time that the supervisor gives.
 *
 * @param cut Calls that were ended already.
 */
async function stop(gateway: Gateway, cut: number, ports: Ports): Promise<ExitCode> {
  const { graceMs } = gateway.snapshot.config.server.drain;
  const over = new AbortController();
  const late = sleep(graceMs, undefined, { signal: over.signal }).catch(() => undefined);
  const inTime = await Promise.race([gateway.close().then(() => true), late]);
  over.abort();
  if (inTime === undefined) {
    gateway.interrupted("grace_exceeded");
    ports.log.error("stop_cut");
    return exitCodes.refused;
  }
  const count = cut + gateway.aborted;
  if (count === 0) return exitCodes.ok;
  ports.log.warn("calls_aborted", { count });
  return exitCodes.refused;
}

/** @returns Calls that had to be ended: the gateway itself counts those. */
async function serveHttp(gateway: Gateway, io: Io, ports: Ports): Promise<0> {
  const stopped = nextSignal(io);
  const { port } = await gateway.listen();
  const { config, catalog } = gateway.snapshot;
  ports.log.info("listening", {
    endpoints: config.endpoints.map(({ resource }) => resource),
    listen: `${config.server.listen.host}:${port}`,
    tools: catalog.tools.size,
  });
  await stopped;
  ports.log.info("stopping");
  return 0;
}

/** @returns Calls that had to be ended. */
async function serveStdio(gateway: Gateway, io: Io, ports: Ports): Promise<number> {
  const { createStdioEndpoint } = await import("../mcp/stdio.ts");
  const stopped = nextSignal(io);
  const endpoint = createStdioEndpoint(
    {
      service: () => firstEndpoint(gateway.snapshot).mcp,
      info: readServerInfo(),
      principal: () => authenticate(gateway, io),
      input: io.stdin,
      output: io.stdout,
    },
    ports,
  );
  const forget = gateway.onToolsChanged(endpoint.toolsChanged);
  const signal = stopped.then(() => true);
  const signalled = await Promise.race([endpoint.closed.then(() => false), signal]);
  forget();
  ports.log.info("stopping");
  const over = new AbortController();
  const late = sleep(gateway.snapshot.config.server.drain.timeoutMs, undefined, over).catch(
    () => undefined,
  );
  // Who has closed its end and then sends a signal does not wait for answers.
  await Promise.race([endpoint.answered(), late, ...(signalled ? [] : [signal])]);
  over.abort();
  const cut = endpoint.pending();
  await endpoint.close();
  // Open input would keep the process alive after a signal.
  io.stdin.destroy();
  return cut;
}

/** The token of the environment, checked like any other; read again each time, so it can rotate. */
async function authenticate(gateway: Gateway, { env }: Io): Promise<Principal> {
  const file = env["TOLLGATE_TOKEN_FILE"];
  const token = file === undefined ? env["TOLLGATE_TOKEN"] : await readFile(file, "utf8");
  return gateway.believe(token?.trim(), "stdio", firstEndpoint(gateway.snapshot).path);
}

/** A pipe has no path to choose by. */
function firstEndpoint({ endpoints }: Snapshot): Endpoint {
  const [first] = endpoints;
  if (first === undefined) throw new TypeError("a configuration without endpoint");
  return first;
}

function nextSignal(io: Io): Promise<void> {
  return new Promise((resolve) => {
    io.onSignal(["SIGINT", "SIGTERM"], resolve);
  });
}

function logReload({ outcome, issues, toolsChanged }: ReloadReport, ports: Ports): void {
  if (outcome === "applied") ports.log.info("config_reloaded", { tools_changed: toolsChanged });
  if (outcome === "refused") {
    const findings = issues.filter(({ severity }) => severity === "error").map(describeIssue);
    ports.log.error("config_refused", { findings });
  }
}
