import { createCache } from "../../base/cache.ts";
import { CallError } from "../../base/errors.ts";
import type { Ports } from "../../base/ports.ts";
import type { Principal } from "../../base/principal.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { Credential } from "./credential-parts.ts";
import { bearerOf, type Grant } from "./grant.ts";
import { tokenKey, type TokenCache, unlessCancelled } from "./token-cache.ts";
import { explainFailure, TokenFailure } from "./token-failure.ts";

/** A token must not end between here and the API. */
const marginMs = 30_000;
/** What is kept here; the broker may have renewed it meanwhile. */
const maxKeptMs = 60_000;
const maxPeople = 10_000;
const refusedForMs = 10 * 60_000;

/** What an identity provider gave when a person logged in. */
export interface Login {
  /** Of `broker.upstream`. */
  readonly idp: string;
  readonly accessToken: string;
  /** Milliseconds since the epoch; undefined: the provider does not say. */
  readonly expiresAt: number | undefined;
}

/**
 * The login behind a caller's token.
 *
 * @param refused An access token of this login that an API did not accept: it is worth renewing.
 * @throws AuthError `login_ended`; CallError `temporarily_unavailable`, `credential_unavailable`.
 */
export type ReadLogin = (principal: Principal, refused?: string) => Promise<Login>;

/** Where there is no embedded broker, and in verbs that only look: nobody logged in there. */
export const noLogin: ReadLogin = () => Promise.reject(notHere());

export function notHere(): CallError {
  return new CallError(
    "credential_unavailable",
    "This tool needs a person who logged in through this gateway.",
  );
}

type LoginConfig = Extract<CredentialConfig, { kind: "login" }>;

/** The account that the caller logged in with, where the API is the identity provider's own. */
export function createLogin(
  api: string,
  { idp, title, client }: LoginConfig,
  { tokens, readLogin }: { readonly tokens: TokenCache; readonly readLogin: ReadLogin },
  { now }: Ports,
): Credential {
  const prefix = tokenKey(["login", idp]);
  const keyOf = ({ tokenHash }: Principal): string => `${prefix}.${tokenHash}`;
  const refused = createCache<string>(maxPeople, now);

  async function load(principal: Principal): Promise<Grant> {
    const login = await readLogin(principal, refused.get(keyOf(principal)));
    if (login.idp !== idp)
      throw new CallError(
        "credential_unavailable",
        `This tool needs a person who logged in with ${title}.`,
      );
    const { accessToken, expiresAt = Infinity } = login;
    const keptUntil = now() + maxKeptMs;
    return {
      parts: { headers: ["authorization", `Bearer ${accessToken}`], query: "", cookie: "" },
      expiresAt: Math.min(expiresAt - marginMs, keptUntil, principal.expiresAt),
      refreshAt: keptUntil,
      holder: principal,
    };
  }

  async function obtain(principal: Principal): Promise<Grant["parts"]> {
    const source = { key: keyOf(principal), api, client, holder: principal };
    try {
      return (await tokens.obtain({ ...source, request: () => load(principal) })).parts;
    } catch (error) {
      throw error instanceof TokenFailure ? explainFailure(api, error) : error;
    }
  }

  return {
    get: (principal, signal) =>
      tokens.find(keyOf(principal))?.parts ?? unlessCancelled(obtain(principal), signal),
    invalidate(principal, parts) {
      const key = keyOf(principal);
      refused.set(key, bearerOf(parts), now() + refusedForMs);
      return tokens.refuse({ key, api, client, holder: principal }, parts);
    },
  };
}
