import { Secret } from "../../base/secret.ts";
import type { RedisConfig } from "../types/redis.ts";
import { child, textOf, type YamlNode } from "../node.ts";

export function compileRedis(node: YamlNode): RedisConfig {
  const password = textOf(child(node, "password"));
  return {
    url: textOf(child(node, "url")) ?? "",
    username: textOf(child(node, "username")),
    password: password === undefined ? undefined : new Secret(password),
    prefix: textOf(child(node, "prefix")) ?? "",
  };
}
