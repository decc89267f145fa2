import type { JsonSchema } from "../../base/json.ts";
import { section, text } from "./shape.ts";
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
        url: text(
          {
            description: "`redis://host:port` or `rediss://host:port`, with `/n` for a database.",
            examples: ["rediss://redis.internal:6380"],
          },
          {
            pattern: "^rediss?://[^/@?#]+(/[0-9]+)?$",
            patternErrorMessage: "must be redis://host:port without user and password",
          },
        ),
        username: text({
          description: "The user of Redis.",
          "x-default": "the default user",
          examples: ["tollgate"],
        }),
        password: text({
          description: "The password.",
          "x-default": "none",
          "x-secret": true,
          examples: ["${REDIS_PASSWORD}"],
        }),
        prefix: text({
          description: "In front of every key.",
          default: "tollgate:",
          examples: ["acme:gateway:"],
        }),
        timeout: duration({
          description: "How long a call waits for Redis before the gateway decides alone, at most 5s.",
          default: "5ms",
          examples: ["20ms"],
        }),
      },
    ),
  },
);
