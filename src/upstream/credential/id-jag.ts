import type { ClientConfig } from "../../config/types/clients.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { ExchangeConfig, ExchangeDeps } from "./exchange.ts";
import type { RequestToken } from "./token-endpoint.ts";
import { TokenFailure } from "./token-failure.ts";

type IdJagConfig = Extract<CredentialConfig, { kind: "idJag" }>;

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/**
 * Cross-app access after draft-ietf-oauth-identity-assertion-authz-grant: the exchange at the company
 * login that gives the assertion.
 */
export function assertionFor(
  { client, resource, scope, subjectTokenType }: IdJagConfig,
  at: ClientConfig,
): ExchangeConfig {
  return {
    kind: "exchange",
    grant: "token-exchange",
    subject: "caller",
    client,
    // The server that it is for, and that its `aud` must then name.
    audience: [at.issuer],
    resource,
    scope,
    scopeGranularity: "operation",
    addedScopes: [],
    parameters: new Map(),
    verifyAudience: true,
    subjectTokenType,
    requestedTokenType: "urn:ietf:params:oauth:token-type:id-jag",
    actor: "none",
    cache: { maxMs: 600_000, failureMs: 5_000 },
    retry: true,
    stepUp: undefined,
  };
}

/** The second half: the assertion for a token, at the API's own server (RFC 7523 §2.1). */
export function redeemAt(
  at: ClientConfig,
  requestToken: RequestToken,
): NonNullable<ExchangeDeps["redeem"]> {
  return {
    place: [at.issuer, at.tokenUrl ?? null, at.id],
    async run(assertion) {
      try {
        const reply = await requestToken(jwtBearer, [["assertion", assertion]]);
        if (!reply.isAccessToken) throw new TokenFailure("wrong_token_type");
        return reply;
      } catch (error) {
        // It says nothing of the caller's own token: another login would change nothing.
        if (error instanceof TokenFailure && error.code === "invalid_grant")
          throw new TokenFailure("assertion_refused");
        throw error;
      }
    },
  };
}
