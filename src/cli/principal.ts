import type { JsonObject } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import { UsageError } from "./io.ts";

/**
 * A pretended caller, for looking at what somebody may do: `sub=alice,scope=courses:read`. `scope`
 * and `role` may repeat; every other name is a claim. It has no token, so nothing can be sent for it.
 */
export function readPrincipal(text: string, baseline: readonly string[]): Principal {
  const pairs = text.split(",").map((pair): readonly [string, string] => {
    const [name = "", ...value] = pair.split("=");
    if (value.length === 0 || name.trim() === "") {
      throw new UsageError(`--as takes name=value pairs with commas between, not ${pair}`);
    }
    return [name.trim(), value.join("=").trim()];
  });
  const valuesOf = (wanted: string): string[] =>
    pairs.filter(([name]) => name === wanted).map(([, value]) => value);
  const known = new Set(["sub", "iss", "name", "scope", "role", "client_id"]);
  const claims: JsonObject = Object.fromEntries(pairs.filter(([name]) => !known.has(name)));
  return {
    iss: valuesOf("iss")[0] ?? "",
    sub: valuesOf("sub")[0] ?? "anonymous",
    name: valuesOf("name")[0],
    clientId: valuesOf("client_id")[0],
    scopes: new Set([...baseline, ...valuesOf("scope").flatMap((scope) => scope.split(" "))]),
    roles: valuesOf("role"),
    claims,
    expiresAt: Number.POSITIVE_INFINITY,
    tokenHash: "",
    token: undefined,
  };
}
