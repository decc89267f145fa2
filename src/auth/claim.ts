import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { ClaimTest, ClaimValue } from "../config/types/auth.ts";

/**
 * A claim by its name, or by the way to it: `realm_access.roles`. Names with dots of their own, such
 * as `https://acme.com/roles`, are found as they are.
 */
export function readClaim(claims: JsonObject, name: string): JsonValue | undefined {
  const own = claims[name];
  if (own !== undefined || !name.includes(".")) return own;
  let value: JsonValue | undefined = claims;
  for (const part of name.split(".")) value = isJsonObject(value) ? value[part] : undefined;
  return value;
}

/** Whether every listed claim fits. Compiled once per issuer. */
export type ClaimRule = (claims: JsonObject) => boolean;

/** `auth.issuers[].require`. */
export function compileRequirements(tests: ReadonlyMap<string, ClaimTest>): ClaimRule {
  const rules = [...tests].map(([name, { kind, values }]): ClaimRule => {
    return (claims) => {
      const value = readClaim(claims, name);
      const present = new Set<unknown>(Array.isArray(value) ? value : [value]);
      return kind === "any"
        ? values.some((wanted) => present.has(wanted))
        : values.every((wanted) => present.has(wanted));
    };
  });
  return (claims) => rules.every((rule) => rule(claims));
}

/** `auth.issuers[].machine`: one entry of which all claims fit. */
export function compilePatterns(
  entries: readonly ReadonlyMap<string, ClaimValue | null>[],
): ClaimRule {
  const rules = entries.map((entry): ClaimRule => {
    const wanted = [...entry];
    return (claims) => wanted.every(([name, value]) => fits(readClaim(claims, name), value));
  });
  return (claims) => rules.some((rule) => rule(claims));
}

function fits(value: JsonValue | undefined, pattern: ClaimValue | null): boolean {
  if (pattern === null) return value === undefined;
  if (typeof pattern !== "string" || !pattern.endsWith("*")) return value === pattern;
  const start = pattern.slice(0, -1);
  if (start === "") return value !== undefined;
  return typeof value === "string" && value.startsWith(start);
}
