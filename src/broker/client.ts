import type { JWK } from "jose";
import type { Secret } from "../base/secret.ts";
import type { BrokerClientConfig } from "../config/types/broker.ts";

/** A client the gateway itself is: it may exchange tokens (RFC 8693) and get its own. */
export interface BrokerClient {
  readonly id: string;
  /** Where people go who log in to one of its own pages; absent: it has none. */
  readonly redirectUris?: readonly string[];
  readonly auth:
    | { readonly kind: "client_secret_basic" | "client_secret_post"; readonly secret: Secret }
    | { readonly kind: "private_key_jwt"; readonly jwks: readonly JWK[] };
  /** The APIs (audiences or resource URLs) it may get tokens for. */
  readonly audiences: readonly string[];
  /** The scopes of those APIs it may ask for. */
  readonly scopes: readonly string[];
}

export const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
export const clientCredentials = "client_credentials";

/** The client as oidc-provider registers it (RFC 7591 §2). */
export function clientMetadata(client: BrokerClient): object {
  const { redirectUris = [] } = client;
  const hasPages = redirectUris.length > 0;
  return {
    client_id: client.id,
    token_endpoint_auth_method: client.auth.kind,
    grant_types: [tokenExchange, clientCredentials, ...(hasPages ? ["authorization_code"] : [])],
    response_types: hasPages ? ["code"] : [],
    redirect_uris: redirectUris,
    ...(hasPages ? { client_name: "Tollgate" } : {}),
    ...(client.auth.kind === "private_key_jwt"
      ? { jwks: { keys: client.auth.jwks } }
      : { client_secret: client.auth.secret.reveal() }),
  };
}

/**
 * A client that the operator wrote into gateway.yaml.
 *
 * @param moreGrants For those with a secret.
 */
export function registeredMetadata(
  { id, secret, redirectUris }: BrokerClientConfig,
  moreGrants: readonly string[],
): object {
  return {
    client_id: id,
    client_name: id,
    redirect_uris: redirectUris,
    // A public client has nothing that an assertion could be bound to.
    grant_types: ["authorization_code", "refresh_token", ...(secret ? moreGrants : [])],
    response_types: ["code"],
    application_type: redirectUris.every((uri) => uri.startsWith("https:")) ? "web" : "native",
    ...(secret === undefined
      ? { token_endpoint_auth_method: "none" }
      : { token_endpoint_auth_method: "client_secret_basic", client_secret: secret.reveal() }),
  };
}
