import type { JsonSchema } from "../../base/json.ts";
import { redisKeys } from "./redis.ts";
import { list, section, text } from "./shape.ts";
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
    keys: list(
      {
        description:
          "Keys of 32 bytes as base64 or hex, which seal what a client takes from one gateway to another: the first seals, all open. Needed with `confirm`, unless `connections.keys` has some, which then count.",
        "x-default": "those of `connections`",
        examples: [["${file:/run/secrets/replicas.key}"]],
      },
      text({
        description: "One key.",
        "x-secret": true,
        examples: ["${file:/run/secrets/replicas.key}"],
      }),
      { minItems: 1 },
    ),
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
