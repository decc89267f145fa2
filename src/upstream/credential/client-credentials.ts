import type { Ports } from "../../base/ports.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { Credential } from "./credential-parts.ts";
import { type Grant, toGrant } from "./grant.ts";
import { type TokenDeps, tokenKey, unlessCancelled } from "./token-cache.ts";
import { targetParameters } from "./token-endpoint.ts";
import { explainFailure, TokenFailure } from "./token-failure.ts";

const grantType = "client_credentials";

export type ClientCredentialsConfig = Extract<CredentialConfig, { kind: "clientCredentials" }>;

/** RFC 6749 §4.4: one token of the gateway's own, the same for every caller. */
export function createClientCredentials(
  api: string,
  config: ClientCredentialsConfig,
  deps: TokenDeps,
  ports: Ports,
): Credential {
  const { client, requestToken, tokens } = deps;
  const { now } = ports;
  const parameters = targetParameters(config);
  const key = tokenKey([
    grantType,
    client.issuer,
    client.tokenUrl ?? null,
    client.id,
    config.resource,
    config.audience,
    config.scope.toSorted(),
  ]);
  const source = { key, api, client: client.name, request };

  async function request(): Promise<Grant> {
    const requestedAt = now();
    return toGrant(await requestToken(grantType, parameters), requestedAt, undefined);
  }

  async function obtain(): Promise<Grant["parts"]> {
    try {
      return (await tokens.obtain(source)).parts;
    } catch (error) {
      throw error instanceof TokenFailure ? explainFailure(api, error) : error;
    }
  }

  return {
    get(_principal, signal) {
      const grant = tokens.find(key);
      if (grant === undefined) return unlessCancelled(obtain(), signal);
      // The kept token still serves, so nobody waits for this, and its failure is only logged.
      if (grant.refreshAt <= now()) obtain().catch(() => undefined);
      return grant.parts;
    },
    invalidate: (_principal, refused) => tokens.refuse(source, refused),
  };
}
