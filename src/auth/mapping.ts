import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { IssuerConfig, ScopeClaims } from "../config/types/auth.ts";
import { readClaim } from "./claim.ts";
import { invalidToken } from "./refusal.ts";

/** Where an issuer's tokens say who holds them and what they may do. */
export interface Mapping {
  /** @throws AuthError `invalid_client`, `client_mismatch`, `client_not_allowed`. */
  readonly client: (claims: JsonObject) => string | undefined;
  /** With everything that they imply. @throws AuthError `invalid_scope`. */
  readonly scopes: (claims: JsonObject) => ReadonlySet<string>;
  readonly name: (claims: JsonObject) => string | undefined;
  readonly roles: (claims: JsonObject) => readonly string[];
}

export function compileMapping(
  config: Pick<
    IssuerConfig,
    "clientClaims" | "clients" | "nameClaims" | "roleClaims" | "scopes" | "audience"
  >,
  resource: string,
): Mapping {
  return {
    client: compileClient(config),
    scopes: compileScopes(config.scopes, resource),
    name: (claims) =>
      config.nameClaims
        .map((name) => readClaim(claims, name))
        .find((value): value is string => typeof value === "string" && value !== ""),
    // A role is never needed to be let in, so one that cannot be read is none.
    roles: (claims) => config.roleClaims.flatMap((name) => textsOf(claims, name) ?? []),
  };
}

/** RFC 9068 names the client `client_id`; others call it differently, and none may contradict. */
function compileClient({
  clientClaims,
  clients,
}: Pick<IssuerConfig, "clientClaims" | "clients">): Mapping["client"] {
  const accepted = new Set(clients);
  return (claims) => {
    let client: string | undefined;
    for (const name of clientClaims) {
      const value = readClaim(claims, name);
      if (value === undefined) continue;
      if (typeof value !== "string" || value === "") throw invalidToken("invalid_client");
      if (client !== undefined && client !== value) throw invalidToken("client_mismatch");
      client = value;
    }
    if (accepted.size > 0 && (client === undefined || !accepted.has(client)))
      throw invalidToken("client_not_allowed");
    return client;
  };
}

function compileScopes(config: ScopeClaims, resource: string): Mapping["scopes"] {
  const prefix = config.prefix.replaceAll("{resource}", resource);
  const closed = new Map(
    [...config.implies.keys()].map((scope) => [scope, closure(scope, config.implies)]),
  );
  return (claims) => {
    const scopes = new Set<string>();
    for (const name of config.from) {
      const values = textsOf(claims, name);
      if (values === undefined) throw invalidToken("invalid_scope");
      for (const value of values) {
        const scope =
          prefix !== "" && value.startsWith(prefix) ? value.slice(prefix.length) : value;
        if (scope === "") continue;
        scopes.add(scope);
        for (const implied of closed.get(scope) ?? []) scopes.add(implied);
      }
    }
    return scopes;
  };
}

/** All that a scope implies, however many steps away; circles end by themselves. */
function closure(
  scope: string,
  implies: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [...(implies.get(scope) ?? [])];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    pending.push(...(implies.get(next) ?? []));
  }
  return found;
}

/**
 * A text is split on spaces, nothing else; absent is empty. `scope` is a text (RFC 8693 §4.2), `scp`
 * a text of Entra or a list of Okta, any other claim also a mapping, such as ZITADEL's roles.
 *
 * @returns undefined for a value of another type.
 */
function textsOf(claims: JsonObject, name: string): readonly string[] | undefined {
  const value: unknown = readClaim(claims, name) ?? "";
  if (typeof value === "string") return value.split(" ").filter((text) => text !== "");
  if (name === "scope") return undefined;
  if (isTextList(value)) return value;
  return isJsonObject(value) && name !== "scp" ? Object.keys(value) : undefined;
}

export function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
