import type { Writable } from "node:stream";
import type { Log, Ports } from "../base/ports.ts";
import type { GatewayOptions } from "../gateway.ts";
import { createLog } from "../observe/log.ts";
import { readServerInfo } from "./info.ts";
import type { Io } from "./io.ts";

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** For verbs that print their findings themselves. */
export const quietPorts: Ports = { now: () => Date.now(), log: silent };

export function createPorts(io: Io, level: string): Ports {
  return { now: () => Date.now(), log: createLog((line) => io.stderr.write(line), level) };
}

/** How the audit log names a request of this program itself. */
export const fromHere = {
  transport: "cli",
  protocol: undefined,
  requestId: undefined,
  client: undefined,
} as const;

/** Resolves when the system has taken the bytes. */
export function writerOf(stream: Writable): GatewayOptions["writeAudit"] {
  return (bytes) =>
    new Promise((resolve, reject) => {
      stream.write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
}

/** Node loads its client when `fetch` is looked at, and a start without issuers needs none. */
const fetchLater: typeof fetch = (input, init) => globalThis.fetch(input, init);

export function gatewayOptions(
  io: Io,
  file: string,
  ports: Ports,
): Omit<GatewayOptions, "writeAudit" | "pressure"> {
  return { file, env: io.env, info: readServerInfo(), ports, fetch: fetchLater };
}
