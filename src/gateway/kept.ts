import { randomBytes } from "node:crypto";
import { type ByteStore, createMemoryStore } from "../base/byte-store.ts";
import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import type { Ports } from "../base/ports.ts";
import { Secret } from "../base/secret.ts";
import type { Config } from "../config/config.ts";
import { createRefusedTokens, type RefusedTokens } from "../upstream/connection.ts";
import { openFileStore } from "../upstream/file-store.ts";

/** What of the connections outlives a reload. */
export interface Kept {
  readonly store: ByteStore;
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
  const directory = connections?.dir;
  if (directory === undefined) return keepInMemory(ports);
  try {
    return keepIn(await openFileStore(directory, ports.now), ports.now);
  } catch (cause) {
    const system = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    const issue: Issue = {
      severity: "error",
      code: "connections_unavailable",
      message: `connections.dir: ${directory} cannot be used (${system})`,
      position: { file, line: 1, column: 1 },
      help: "let it name a directory that the gateway may write to",
    };
    throw new ConfigError([issue], { cause });
  }
}

function keepIn(store: ByteStore, now: () => number): Kept {
  const ownKey = new Secret(randomBytes(32).toString("base64"));
  return { store, ownKey, refused: createRefusedTokens(now) };
}
