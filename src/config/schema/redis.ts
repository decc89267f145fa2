import type { JsonObject } from "../../base/json.ts";
import { text } from "./shape.ts";

/** Where a Redis is, and what stands in front of keys there. */
export function redisKeys(prefix: string, example: string): JsonObject {
  return {
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
      default: prefix,
      examples: [example],
    }),
  };
}
