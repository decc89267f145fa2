import { createCache, type Cache } from "../../base/cache.ts";

/** Where the broker keeps what must outlive a request: bytes by key, each until its moment. */
export interface Rows {
  readonly get: (key: string) => Promise<Uint8Array | undefined>;
  /** @param expiresAt Milliseconds since the epoch; the row may go any time after. */
  readonly put: (key: string, value: Uint8Array, expiresAt: number) => Promise<void>;
  /** Writes only where there is nothing; false when somebody was first, in whichever process. */
  readonly add: (key: string, value: Uint8Array, expiresAt: number) => Promise<boolean>;
  /** Reads and deletes in one step: of two who take, one gets nothing. */
  readonly take: (key: string) => Promise<Uint8Array | undefined>;
  readonly delete: (key: string) => Promise<void>;
  /** Every row whose key begins with the prefix, in no order. */
  readonly list: (prefix: string) => AsyncIterable<readonly [key: string, value: Uint8Array]>;
  readonly close: () => Promise<void>;
}

const maxEntries = 10_000;

/** For development: gone with the process. A flood of one kind of row pushes out only its own kind. */
export function createMemoryRows(now: () => number): Rows {
  const kinds = new Map<string, Cache<Uint8Array>>();
  const of = (key: string): Cache<Uint8Array> => {
    const [kind = ""] = key.split("/", 1);
    const known = kinds.get(kind);
    if (known !== undefined) return known;
    const made = createCache<Uint8Array>(maxEntries, now);
    kinds.set(kind, made);
    return made;
  };
  return {
    get: async (key) => of(key).get(key),
    async put(key, value, expiresAt) {
      of(key).set(key, value, expiresAt);
    },
    async add(key, value, expiresAt) {
      if (of(key).get(key) !== undefined) return false;
      of(key).set(key, value, expiresAt);
      return true;
    },
    async take(key) {
      const value = of(key).get(key);
      of(key).delete(key);
      return value;
    },
    async delete(key) {
      of(key).delete(key);
    },
    async *list(prefix) {
      for (const entry of of(prefix).entries()) if (entry[0].startsWith(prefix)) yield entry;
    },
    async close() {},
  };
}
