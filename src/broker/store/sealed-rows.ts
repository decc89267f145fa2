import { createSealer } from "../../base/seal.ts";
import type { Secret } from "../../base/secret.ts";
import type { Rows } from "./rows.ts";

/** A row that does not open: changed, moved to another key, or written with a key that is gone. */
class RowUnreadable extends Error {
  override readonly name = "RowUnreadable";
}

/**
 * Rows that only we can read, each bound to its key: a row that somebody copied to another one does
 * not open there.
 *
 * @param keys The first seals, all open.
 */
export function sealRows(rows: Rows, keys: readonly Secret[]): Rows {
  const sealer = createSealer(keys, "broker store");
  const open = (key: string, sealed: Uint8Array | undefined): Uint8Array | undefined => {
    if (sealed === undefined) return undefined;
    const bytes = sealer.open(sealed, key);
    if (bytes === undefined)
      throw new RowUnreadable(`a row of ${key.split("/", 1)[0]} does not open`);
    return bytes;
  };
  return {
    get: async (key) => open(key, await rows.get(key)),
    put: (key, value, expiresAt) => rows.put(key, sealer.seal(value, key), expiresAt),
    add: (key, value, expiresAt) => rows.add(key, sealer.seal(value, key), expiresAt),
    take: async (key) => open(key, await rows.take(key)),
    delete: rows.delete,
    async *list(prefix) {
      for await (const [key, sealed] of rows.list(prefix)) {
        const bytes = open(key, sealed);
        if (bytes !== undefined) yield [key, bytes];
      }
    },
    close: rows.close,
  };
}
