import type { JsonObject } from "../base/json.ts";

/** How one product wants an exchange: keys of `credential.exchange`, and what it cannot go without. */
interface ExchangePreset {
  readonly keys: JsonObject;
  readonly required: readonly string[];
  /** It ignores or refuses these. */
  readonly unknown: readonly string[];
}

/** OpenID Connect scopes that a server adds by itself; they open no API. */
const identity = ["openid", "profile", "email"];

/**
 * Data only: whatever the operator writes stands, and `tollgate config show` prints the rest. The
 * sources are named in test/upstream/exchange-contract.test.ts, parameter by parameter.
 */
const presets: Readonly<Record<string, ExchangePreset>> = {
  generic: { keys: {}, required: [], unknown: [] },
  keycloak: { keys: { addedScopes: identity }, required: ["audience"], unknown: ["resource"] },
  entra: {
    keys: {
      grant: "jwt-bearer",
      parameters: { requested_token_use: "on_behalf_of" },
      addedScopes: [...identity, "offline_access"],
    },
    required: ["scope"],
    unknown: ["audience", "resource"],
  },
  okta: {
    keys: { requestedTokenType: "none" },
    required: ["audience", "scope"],
    unknown: ["resource"],
  },
  auth0: { keys: { requestedTokenType: "none" }, required: ["audience"], unknown: ["resource"] },
  zitadel: {
    keys: { requestedTokenType: "jwt", actor: "self" },
    required: [],
    unknown: ["resource"],
  },
  "google-sts": {
    keys: { subjectTokenType: "jwt" },
    required: ["audience", "scope"],
    unknown: ["resource", "actor"],
  },
};

export const exchangePresetNames: readonly string[] = Object.keys(presets);

/** An unknown name is a finding of its own. */
export function exchangePreset(name: string | undefined): ExchangePreset {
  const found = name !== undefined && Object.hasOwn(presets, name) ? presets[name] : undefined;
  return found ?? { keys: {}, required: [], unknown: [] };
}

/** Form fields with a key of their own, or that prove who the gateway is. */
export const protocolFields: ReadonlySet<string> = new Set([
  "actor_token",
  "actor_token_type",
  "assertion",
  "audience",
  "client_assertion",
  "client_assertion_type",
  "client_id",
  "client_secret",
  "grant_type",
  "requested_token_type",
  "resource",
  "scope",
  "subject_token",
  "subject_token_type",
]);

/** What an authorization request depends on (RFC 6749 §4.1.1, RFC 7636 §4.3). */
export const flowParameters: ReadonlySet<string> = new Set([
  "client_id",
  "code_challenge",
  "code_challenge_method",
  "nonce",
  "redirect_uri",
  "request",
  "request_uri",
  "response_mode",
  "response_type",
  "scope",
  "state",
]);

/** Claims of a token that the gateway signs, and those that would make it another kind of token. */
export const ownClaims: ReadonlySet<string> = new Set([
  "act",
  "at_hash",
  "aud",
  "cnf",
  "exp",
  "iat",
  "iss",
  "jti",
  "nbf",
  "nonce",
  "sub",
  "sub_id",
]);
