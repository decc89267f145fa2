import { LRUCache } from "lru-cache";

/** A bounded map whose entries end at a moment of the injected clock. */
export interface Cache<V> {
  readonly get: (key: string) => V | undefined;
  /** @param expiresAt Milliseconds since the epoch; an entry that has already ended is not kept. */
  readonly set: (key: string, value: V, expiresAt: number) => void;
  readonly delete: (key: string) => void;
  /** Drops every entry of such a value. */
  readonly deleteAll: (isSuch: (value: V) => boolean) => void;
  readonly size: () => number;
  /** Those that have not ended. */
  readonly entries: () => Iterable<readonly [string, V]>;
}

interface Entry<V> {
  readonly value: V;
  readonly expiresAt: number;
}

/**
 * Evicts the least recently used entry beyond `maxEntries`. Room for all of them is taken with the
 * first one: most caches of a gateway stay empty.
 *
 * @param onEvicted Told of each key that had to make room.
 */
export function createCache<V>(
  maxEntries: number,
  now: () => number,
  onEvicted?: (key: string) => void,
): Cache<V> {
  let entries: LRUCache<string, Entry<V>> | undefined;
  const open = (): LRUCache<string, Entry<V>> =>
    new LRUCache<string, Entry<V>>({
      max: maxEntries,
      ...(onEvicted && {
        dispose(_entry: unknown, key: string, reason: string) {
          if (reason === "evict") onEvicted(key);
        },
      }),
    });
  return {
    get(key) {
      const entry = entries?.get(key);
      if (entry === undefined) return undefined;
      if (entry.expiresAt > now()) return entry.value;
      entries?.delete(key);
      return undefined;
    },
    set(key, value, expiresAt) {
      if (expiresAt > now()) (entries ??= open()).set(key, { value, expiresAt });
    },
    delete(key) {
      entries?.delete(key);
    },
    deleteAll(isSuch) {
      for (const [key, { value }] of entries?.entries() ?? [])
        if (isSuch(value)) entries?.delete(key);
    },
    size: () => entries?.size ?? 0,
    *entries() {
      for (const [key, { value, expiresAt }] of entries?.entries() ?? []) {
        if (expiresAt > now()) yield [key, value];
      }
    },
  };
}
