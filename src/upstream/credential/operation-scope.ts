import type { Operation } from "../../openapi/operation/operation.ts";
import type { ExchangeConfig } from "./exchange.ts";

/**
 * The scopes to ask for on behalf of one operation: of those that the credential allows, what the
 * document's security requirements name. One of its alternatives is enough, and the first that is
 * allowed as a whole is taken. An operation that names none of them gets what the credential says.
 */
export function scopeFor(
  { scope, scopeGranularity }: Pick<ExchangeConfig, "scope" | "scopeGranularity">,
  security: Operation["security"],
): readonly string[] {
  if (scopeGranularity === "api") return scope;
  const alternatives = security
    .map((schemes) => new Set([...schemes.values()].flat()))
    .filter(({ size }) => size > 0);
  const whole = alternatives.find((names) => [...names].every((name) => scope.includes(name)));
  if (whole !== undefined) return [...whole];
  const parts = alternatives.map((names) => scope.filter((name) => names.has(name)));
  return parts.find(({ length }) => length > 0) ?? scope;
}
