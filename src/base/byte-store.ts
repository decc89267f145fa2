/**
 * Bytes by key, for what must outlive a call, a process or one of several replicas. It knows nothing
 * of what it keeps: who puts something sensitive seals it first (`seal.ts`), with the key as place.
 * Keys are at most 256 of `a-z`, `0-9`, `-` and `/`. All moments in milliseconds since the epoch.
 */
export interface ByteStore {
  /** undefined: there is none, or it has ended. */
  readonly get: (key: string) => Promise<Uint8Array | undefined>;
  /** In place of what was there. Durable once it resolves, as far as this store keeps anything. */
  readonly put: (key: string, value: Uint8Array) => Promise<void>;
  /** Only where nothing is: of all that try at the same time, one hears `true`. */
  readonly add: (key: string, value: Uint8Array, expiresAt: number) => Promise<boolean>;
  readonly delete: (key: string) => Promise<void>;
  /** Keys that begin so, in any order. */
  readonly list: (prefix: string) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** For development and tests: forgets everything with the process. */
export function createMemoryStore(now: () => number): ByteStore {
  const entries = new Map<string, { readonly value: Uint8Array; readonly expiresAt: number }>();
  /** Ended entries go in the order they came, a few with each new one: none is looked at twice in vain. */
  const ending: { readonly key: string; readonly expiresAt: number }[] = [];
  const find = (key: string): Uint8Array | undefined => {
    const entry = entries.get(key);
    return entry !== undefined && entry.expiresAt > now() ? entry.value : undefined;
  };
  const sweep = (): void => {
    for (let first = ending[0]; first && first.expiresAt <= now(); first = ending[0]) {
      if (find(first.key) === undefined) entries.delete(first.key);
      ending.shift();
    }
  };
  return {
    get: async (key) => find(key),
    async put(key, value) {
      entries.set(key, { value, expiresAt: Number.POSITIVE_INFINITY });
    },
    async add(key, value, expiresAt) {
      sweep();
      if (find(key) !== undefined) return false;
      entries.set(key, { value, expiresAt });
      ending.push({ key, expiresAt });
      return true;
    },
    async delete(key) {
      entries.delete(key);
    },
    list: async (prefix) =>
      [...entries.keys()].filter((key) => key.startsWith(prefix) && find(key) !== undefined),
    async close() {},
  };
}
