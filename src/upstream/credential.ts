import { ConfigError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import type { ApiConfig, ClientConfig } from "../config/config.ts";
import type { ClientKeys } from "./client-auth.ts";
import { createClientCredentials } from "./client-credentials.ts";
import type { Credential } from "./credential-parts.ts";
import { createExchange } from "./exchange.ts";
import type { IssuerMetadata } from "./issuer-metadata.ts";
import { createStatic, noCredential } from "./static.ts";
import { tokenKey, type TokenCache, type TokenDeps } from "./token-cache.ts";
import { createTokenEndpoint } from "./token-endpoint.ts";
import type { Fetch } from "./token-http.ts";

export interface CredentialDeps {
  readonly fetch: Fetch;
  /** The gateway's OAuth clients, by their name in gateway.yaml. */
  readonly clients: ReadonlyMap<string, ClientConfig>;
  /** Key pairs made at start, for those clients whose `private_key_jwt` names no key. */
  readonly clientKeys: ClientKeys;
  /** Both outlive a reload. */
  readonly tokens: TokenCache;
  readonly metadata: IssuerMetadata;
}

/**
 * Compiles an API's `credential`; asks nobody before the first call.
 *
 * @throws ConfigError `unknown_client`, `invalid_client_key` or `invalid_credential`.
 */
export function createCredential(api: ApiConfig, deps: CredentialDeps, ports: Ports): Credential {
  const { credential } = api;
  switch (credential.kind) {
    case "none":
      return noCredential;
    case "static":
      return createStatic(api, credential);
    case "exchange":
      return createExchange(
        api.id,
        credential,
        tokenDeps(api, credential.client, deps, ports),
        ports,
      );
    case "clientCredentials":
      return createClientCredentials(
        api.id,
        credential,
        tokenDeps(api, credential.client, deps, ports),
        ports,
      );
  }
}

function tokenDeps(api: ApiConfig, name: string, deps: CredentialDeps, ports: Ports): TokenDeps {
  const client = deps.clients.get(name);
  if (client === undefined) {
    throw new ConfigError([
      {
        severity: "error",
        code: "unknown_client",
        message: `apis.${api.id}.credential: there is no client ${name}`,
        position: api.position,
        help: "clients are defined in auth.clients",
      },
    ]);
  }
  const { fetch, metadata, clientKeys, tokens } = deps;
  const circuit = tokens.circuit(tokenKey([client.issuer, client.tokenUrl ?? null, client.id]));
  const requestToken = createTokenEndpoint(client, { fetch, metadata, clientKeys, circuit }, ports);
  return { client, requestToken, tokens };
}
