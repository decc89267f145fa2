import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Replays } from "../auth/replays.ts";
import type { Log } from "../base/ports.ts";
import type { ReplicasConfig } from "../config/types/replicas.ts";
import type { TakeRate } from "../limits/rate.ts";

/** What several replicas have in common. Each part does without it while it is away. */
export interface SharedStore {
  readonly take: TakeRate;
  readonly replays: Replays;
  /** Whether no replica has marked this key; the mark stays until then. Without the store: none has. */
  readonly mark: (key: string, expiresAt: number) => Promise<boolean>;
  /** Tells the other replicas that this one changed what it serves. */
  readonly announce: (generation: string) => void;
  /** Told of every such change of another replica. */
  readonly onAnnounced: (listener: (generation: string) => void) => void;
  /** How often it was done without. */
  readonly misses: () => number;
  /** Neither the start nor a call waits for it. */
  readonly open: () => void;
  readonly close: () => void;
}

export type OpenShared = (own: Own) => SharedStore;

/** What each replica does by itself. */
interface Own {
  readonly take: TakeRate;
  readonly replays: Replays;
}

const maxRetryMs = 2_000;

/**
 * The generic cell rate algorithm of `createLocalRates`, with Redis's own clock, in one step:
 * otherwise two replicas could both take the last one.
 */
const takeScript = `
local t = redis.call("TIME")
local now = t[1] * 1000 + t[2] / 1000
local period = tonumber(ARGV[2])
local interval = period / tonumber(ARGV[1])
local due = tonumber(redis.call("GET", KEYS[1]) or now)
if due < now then due = now end
if due > now + period then due = now + period end
local wait = due - (period - interval) - now
if wait > 0 then return math.ceil(wait) end
redis.call("SET", KEYS[1], string.format("%.3f", due + interval), "PX", math.ceil(due + interval - now))
return 0`;

export function createSharedStore(
  { url, username, password, prefix, timeoutMs }: ReplicasConfig,
  own: Own,
  log: Log,
): SharedStore {
  const options = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.reveal() }),
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times: number) => Math.min(100 * times, maxRetryMs),
  };
  const redis = new Redis(url, options);
  const listening = new Redis(url, { ...options, enableOfflineQueue: true });
  const listeners = new Set<(generation: string) => void>();
  const channel = `${prefix}changed`;
  let misses = 0;
  let isThere = false;
  let closed = false;
  redis.on("ready", () => {
    isThere = true;
    log.info("shared_store_ready");
  });
  redis.on("close", () => {
    if (isThere && !closed) log.warn("shared_store_away");
    isThere = false;
  });
  // Without a listener it would end the process; `close` says what is to be said.
  redis.on("error", () => {});
  listening.on("error", () => {});
  listening.on("message", (_: string, generation: string) => {
    for (const listener of listeners) listener(generation);
  });

  /** undefined: it was not there in time. */
  const within = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
    if (!isThere) {
      misses++;
      return undefined;
    }
    const answer = ask().catch(() => undefined);
    const result = await Promise.race([answer, sleep(timeoutMs, undefined, { ref: false })]);
    if (result === undefined) misses++;
    return result;
  };
  const mark = async (key: string, expiresAt: number): Promise<boolean> => {
    const set = await within(() =>
      redis.set(`${prefix}seen:${key}`, "1", "PXAT", Math.ceil(expiresAt), "NX").then(String),
    );
    return set !== "null";
  };
  return {
    mark,
    async take(key, rate) {
      const at = `${prefix}rate:${key}`;
      const wait = await within(() => redis.eval(takeScript, 1, at, rate.count, rate.periodMs));
      return typeof wait === "number" ? wait : own.take(key, rate);
    },
    replays: {
      async add(proof, expiresAt) {
        // Its own memory first: what it has seen itself it knows without asking.
        const showing = await own.replays.add(proof, expiresAt);
        if (showing !== "first") return showing;
        return (await mark(proof.id, expiresAt)) ? "first" : "again";
      },
    },
    announce: (generation) => void redis.publish(channel, generation).catch(() => {}),
    onAnnounced: (listener) => void listeners.add(listener),
    misses: () => misses,
    open() {
      redis.connect().catch(() => {});
      // Subscribed anew after each connection that breaks.
      listening.subscribe(channel).catch(() => {});
    },
    close() {
      closed = true;
      redis.disconnect();
      listening.disconnect();
    },
  };
}
