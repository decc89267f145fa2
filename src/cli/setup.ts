import { readFileSync } from "node:fs";
import type { Log, Ports } from "../base/ports.ts";
import type { GatewayOptions } from "../gateway.ts";
import type { ServerInfo } from "../mcp/service.ts";
import { createLog } from "../observe/log.ts";
import type { Io } from "./io.ts";

/** Name and version, from the package itself. */
export function readServerInfo(): ServerInfo {
  const file = new URL("../../package.json", import.meta.url);
  const { name, version } = JSON.parse(readFileSync(file, "utf8")) as ServerInfo;
  return { name, version };
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** For verbs that print their findings themselves. */
export const quietPorts: Ports = { now: () => Date.now(), log: silent };

export function createPorts(io: Io, level: string): Ports {
  return { now: () => Date.now(), log: createLog((line) => io.stderr.write(line), level) };
}

export function gatewayOptions(
  io: Io,
  file: string,
  ports: Ports,
): Omit<GatewayOptions, "writeAudit"> {
  return { file, env: io.env, info: readServerInfo(), ports, fetch: globalThis.fetch };
}
