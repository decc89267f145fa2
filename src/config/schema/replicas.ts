import type { JsonSchema } from "../../base/json.ts";
import { redisKeys } from "./redis.ts";
import { section } from "./shape.ts";
import { duration } from "./units.ts";

export const replicasSchema: JsonSchema = section(
  {
    description:
      "What several gateways with this configuration have in common. Each goes on alone while the store is away.",
    "x-default": "each gateway is alone",
    examples: [{ redis: { url: "redis://redis.internal:6379" } }],
  },
  ["redis"],
  {
    redis: section(
      {
        description:
          "Redis 7 or Valkey: counts the limits of `limits.rate` but `address`, remembers DPoP proofs, and tells of reloads.",
        examples: [{ url: "rediss://redis.internal:6380", password: "${REDIS_PASSWORD}" }],
      },
      ["url"],
      {
        ...redisKeys("tollgate:", "acme:gateway:"),
        timeout: duration({
          description: "How long a call waits for Redis before the gateway decides alone, at most 5s.",
          default: "5ms",
          examples: ["20ms"],
        }),
      },
    ),
  },
);
