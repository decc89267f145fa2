import type { Ports } from "../../base/ports.ts";
import type { BrokerStoreConfig } from "../../config/types/broker.ts";
import { createMemoryRows, type Rows } from "./rows.ts";
import { sealRows } from "./sealed-rows.ts";

/** Opens what the configuration names; packages that only one kind needs are loaded with it. */
export async function openRows(config: BrokerStoreConfig, { now, log }: Ports): Promise<Rows> {
  switch (config.kind) {
    case "memory":
      return createMemoryRows(now);
    case "lmdb": {
      const { openLmdbRows } = await import("./lmdb-rows.ts");
      return sealRows(await openLmdbRows(config.dir, now), config.keys);
    }
    case "redis": {
      const { openRedisRows } = await import("./redis-rows.ts");
      return sealRows(await openRedisRows(config, log), config.keys);
    }
  }
}
