import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";

/** The last good keys of an issuer, as they outlive the process. */
interface StoredKeys {
  /** Where they are from; keys of another URL are not used. */
  readonly jwksUrl: string | undefined;
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Members of a JWK set, public parts only. */
  readonly keys: readonly JsonValue[];
}

/** Never fails: keys that cannot be kept are fetched at the next start, as they would be without. */
export interface KeyStore {
  readonly read: (issuer: string) => Promise<StoredKeys | undefined>;
  readonly write: (issuer: string, stored: StoredKeys) => Promise<void>;
}

/** For who never starts to serve. */
export const noKeyStore: KeyStore = { read: async () => undefined, write: async () => {} };

/** One file per issuer. Who can write there can name keys, so nobody else may. */
export function createKeyStore(dir: string, ports: Ports): KeyStore {
  let warned = false;
  const warn = (cause: unknown): void => {
    if (warned) return;
    warned = true;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    ports.log.warn("keys_not_kept", { dir, cause: code });
  };
  const fileOf = (issuer: string): string =>
    join(dir, `${createHash("sha256").update(issuer).digest("hex").slice(0, 32)}.json`);
  return {
    async read(issuer) {
      try {
        const value: unknown = JSON.parse(await readFile(fileOf(issuer), "utf8"));
        return isJsonObject(value) && value["issuer"] === issuer ? storedIn(value) : undefined;
      } catch {
        // Absent at the first start; what is broken is worth as little.
        return undefined;
      }
    },
    async write(issuer, stored) {
      const file = fileOf(issuer);
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        const part = `${file}.${process.pid}.part`;
        await writeFile(part, JSON.stringify({ issuer, ...stored }), { mode: 0o600 });
        await rename(part, file);
      } catch (cause) {
        warn(cause);
      }
    },
  };
}

function storedIn({ jwksUrl, loadedAt, keys }: JsonObject): StoredKeys | undefined {
  if (typeof loadedAt !== "number" || !Array.isArray(keys)) return undefined;
  return { jwksUrl: typeof jwksUrl === "string" ? jwksUrl : undefined, loadedAt, keys };
}
