import { randomBytes } from "node:crypto";
import { type ByteStore, createMemoryStore } from "../base/byte-store.ts";
import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import type { Ports } from "../base/ports.ts";
import { Secret } from "../base/secret.ts";
import { createTurns } from "../base/turns.ts";
import type { Config } from "../config/config.ts";
import type { ConnectionsConfig } from "../config/types/connections.ts";
import { createRefusedTokens, type RefusedTokens } from "../upstream/credential/connection.ts";
import { openFileStore } from "../upstream/credential/file-store.ts";
import type { Rows } from "../upstream/credential/vault.ts";

/** What of the connections outlives a reload. */
export interface Kept extends Rows {
  /** Encrypts when the configuration names no key. */
  readonly ownKey: Secret;
  readonly refused: RefusedTokens;
}

/** Forgets everything with the process. */
export function keepInMemory({ now }: Ports): Kept {
  return keepIn(createMemoryStore(now), now);
}

/** @throws ConfigError `connections_unavailable` */
export async function openKept({ connections, file }: Config, ports: Ports): Promise<Kept> {
  if (connections === undefined) return keepInMemory(ports);
  const { dir, redis } = connections;
  try {
    return keepIn(await openStore(connections, ports), ports.now);
  } catch (cause) {
    const system = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    const issue: Issue = {
      severity: "error",
      code: "connections_unavailable",
      message: `connections: ${dir ?? redis?.url ?? ""} cannot be used (${system})`,
      position: { file, line: 1, column: 1 },
      help: "let dir name a directory that the gateway may write to, or redis a server that runs",
    };
    throw new ConfigError([issue], { cause });
  }
}

async function openStore(
  { dir, redis }: ConnectionsConfig,
  { now, log }: Ports,
): Promise<ByteStore> {
  if (dir !== undefined) return openFileStore(dir, now);
  if (redis === undefined) return createMemoryStore(now);
  // With the client of Redis, which nobody else needs.
  const { openRedisRows } = await import("../broker/store/redis-rows.ts");
  const rows = await openRedisRows(redis, log);
  return {
    ...rows,
    put: (key, value) => rows.put(key, value, now() + foreverMs),
    async list(prefix) {
      const keys: string[] = [];
      for await (const [key] of rows.list(prefix)) keys.push(key);
      return keys;
    },
  };
}

/** A row of Redis has an end; a connection has none of its own. */
const foreverMs = 10 * 365 * 86_400_000;

function keepIn(store: ByteStore, now: () => number): Kept {
  const ownKey = new Secret(randomBytes(32).toString("base64"));
  return { store, inTurn: createTurns(), ownKey, refused: createRefusedTokens(now) };
}
