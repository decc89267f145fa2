import { Redis } from "ioredis";
import type { Log } from "../../base/ports.ts";
import type { RedisConfig } from "../../config/types/redis.ts";
import type { Rows } from "./rows.ts";

const connectMs = 3_000;
const commandMs = 3_000;
const maxRetryMs = 2_000;
const scanned = 500;

/**
 * One Redis for several replicas. Each of the steps that only one may win is one command there.
 * While it is away every request that needs it fails; nothing is kept back and done later.
 *
 * @throws Error of the client when it cannot be reached at the start.
 */
export async function openRedisRows(config: RedisConfig, log: Log): Promise<Rows> {
  const { url, username, password, prefix } = config;
  const redis = new Redis(url, {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.reveal() }),
    lazyConnect: true,
    connectTimeout: connectMs,
    commandTimeout: commandMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(100 * times, maxRetryMs),
  });
  let state: "new" | "there" | "away" | "closed" = "new";
  redis.on("ready", () => {
    state = "there";
  });
  // It tries again and again; one line for each time it goes away.
  redis.on("close", () => {
    if (state === "there") log.error("broker_store_away");
    if (state !== "closed") state = "away";
  });
  // Without a listener it would end the process; what failed says so to who asked.
  redis.on("error", () => {});
  try {
    await redis.connect();
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const at = (key: string): string => `${prefix}${key}`;
  /** Redis compares with its own clock, to the millisecond. */
  const until = (expiresAt: number): number => Math.max(1, Math.ceil(expiresAt));

  return {
    get: async (key) => (await redis.getBuffer(at(key))) ?? undefined,
    async put(key, value, expiresAt) {
      await redis.set(at(key), Buffer.from(value), "PXAT", until(expiresAt));
    },
    async add(key, value, expiresAt) {
      const done = await redis.set(at(key), Buffer.from(value), "PXAT", until(expiresAt), "NX");
      return done === "OK";
    },
    take: async (key) => (await redis.getdelBuffer(at(key))) ?? undefined,
    async delete(key) {
      await redis.del(at(key));
    },
    async *list(prefixOfKeys) {
      const match = `${at(prefixOfKeys).replaceAll(/[*?[\]\\]/g, "\\$&")}*`;
      let cursor = "0";
      const seen = new Set<string>();
      do {
        const [next, keys] = await redis.scan(cursor, "MATCH", match, "COUNT", scanned);
        for (const key of keys) {
          if (seen.has(key)) continue;
          seen.add(key);
          const value = await redis.getBuffer(key);
          if (value !== null) yield [key.slice(prefix.length), value];
        }
        cursor = next;
      } while (cursor !== "0");
    },
    async close() {
      state = "closed";
      await redis.quit().catch(() => redis.disconnect());
    },
  };
}
