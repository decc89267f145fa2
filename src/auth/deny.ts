import type { Principal } from "../base/principal.ts";
import type { AuthConfig } from "../config/types/auth.ts";
import type { TokenReason } from "./refusal.ts";
import type { Revocations } from "./revocation.ts";

type OAuthConfig = Extract<AuthConfig, { readonly mode: "oauth" }>;

/** Why a token is refused though it says nothing wrong; undefined: it is not. */
export type Deny = (principal: Principal) => TokenReason | undefined;

/** @returns undefined: nobody is denied and no issuer says who logged out, so nothing need be asked. */
export function compileDeny(
  { deny, issuers }: Pick<OAuthConfig, "deny" | "issuers">,
  revocations: Revocations,
): Deny | undefined {
  const isListed = compileList(deny);
  const hears = issuers.some(
    ({ backChannelLogout, embedded }) => embedded || backChannelLogout !== undefined,
  );
  if (!hears)
    return isListed && ((principal) => (isListed(principal) ? "denied_token" : undefined));
  return (principal) => {
    if (isListed?.(principal)) return "denied_token";
    return revocations.covers(principal) ? "logged_out" : undefined;
  };
}

function compileList({
  jti,
  sub,
  clients,
}: OAuthConfig["deny"]): ((principal: Principal) => boolean) | undefined {
  if (jti.length + sub.length + clients.length === 0) return undefined;
  const [tokens, people, machines] = [
    new Set<unknown>(jti),
    new Set(sub),
    new Set<unknown>(clients),
  ];
  return (principal) =>
    people.has(principal.sub) ||
    machines.has(principal.clientId) ||
    tokens.has(principal.claims["jti"]);
}
