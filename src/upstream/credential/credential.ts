import { ConfigError } from "../../base/errors.ts";
import type { Ports } from "../../base/ports.ts";
import type { ApiConfig } from "../../config/types/apis.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import type { ProviderConfig } from "../../config/types/connections.ts";
import type { ClientKeys } from "./client-auth.ts";
import { type ClientCredentialsConfig, createClientCredentials } from "./client-credentials.ts";
import { type ConnectionDeps, createConnection } from "./connection.ts";
import type { Tool } from "../../tools/tool.ts";
import type { Credential } from "./credential-parts.ts";
import { createExchange } from "./exchange.ts";
import { assertionFor, redeemAt } from "./id-jag.ts";
import type { IssuerMetadata } from "./issuer-metadata.ts";
import { scopeFor } from "./operation-scope.ts";
import { withIdentity } from "./identity-headers.ts";
import { createLogin, type ReadLogin } from "./login.ts";
import { createSignedJwt } from "./signed-jwt.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { createStatic, noCredential } from "./static.ts";
import { tokenKey, type TokenCache, type TokenDeps } from "./token-cache.ts";
import {
  createTokenEndpoint,
  type RequestToken,
  type TokenEndpointDeps,
} from "./token-endpoint.ts";
import type { FetchAs } from "./tls-fetch.ts";
import type { Fetch } from "./token-http.ts";

export interface CredentialDeps {
  readonly fetch: Fetch;
  /** With a certificate of the gateway's own. */
  readonly fetchAs: FetchAs;
  /** The gateway's OAuth clients, by their name in gateway.yaml. */
  readonly clients: ReadonlyMap<string, ClientConfig>;
  /** Key pairs made at start, for those clients whose `private_key_jwt` names no key. */
  readonly clientKeys: ClientKeys;
  /** Scopes of callers' tokens that the gateway names to clients. */
  readonly offeredScopes: ReadonlySet<string>;
  /** Public origin of the gateway. */
  readonly issuer: string;
  readonly signingKeys: SigningKeys;
  readonly readLogin: ReadLogin;
  /** undefined: nobody can connect an account. */
  readonly connections: ConnectionParts | undefined;
  /** Both outlive a reload. */
  readonly tokens: TokenCache;
  readonly metadata: IssuerMetadata;
}

/** What the credentials of connected accounts share. */
export interface ConnectionParts extends Pick<ConnectionDeps, "vault" | "linkFor" | "refused"> {
  readonly providers: ReadonlyMap<string, ProviderConfig>;
}

/** The credential of one API, made once for each tool. */
export type ApiCredential = (tool: {
  readonly scopes: Tool["scopes"];
  readonly operation: Pick<Tool["operation"], "security">;
}) => Credential;

/**
 * Compiles an API's `credential`; asks nobody before the first call.
 *
 * @throws ConfigError `unknown_client`, `invalid_client_key` or `invalid_credential`.
 */
export function createCredential(
  api: ApiConfig,
  deps: CredentialDeps,
  ports: Ports,
): ApiCredential {
  const bare = compileKind(api, deps, ports);
  return (tool) => withIdentity(bare(tool), api.identityHeaders);
}

function compileKind(api: ApiConfig, deps: CredentialDeps, ports: Ports): ApiCredential {
  const { credential } = api;
  switch (credential.kind) {
    case "none":
      return () => noCredential;
    case "static": {
      const made = createStatic(api, credential);
      return () => made;
    }
    case "exchange": {
      const shared = tokenDeps(api, credential.client, deps, ports);
      const self =
        credential.actor === "self"
          ? createClientCredentials(api.id, ownToken(credential.client), shared, ports)
          : undefined;
      return ({ scopes: needed, operation }) => {
        const scope = scopeFor(credential, operation.security);
        const inbound = { offered: deps.offeredScopes, needed };
        return createExchange(
          api.id,
          { ...credential, scope },
          { ...shared, inbound, self, redeem: undefined, readLogin: deps.readLogin },
          ports,
        );
      };
    }
    case "idJag": {
      const shared = tokenDeps(api, credential.client, deps, ports);
      const { client: at, requestToken } = tokenDeps(api, credential.at, deps, ports);
      const config = assertionFor(credential, at);
      const redeem = redeemAt(at, requestToken);
      return ({ scopes: needed, operation }) => {
        const scope = scopeFor(config, operation.security);
        const inbound = { offered: deps.offeredScopes, needed };
        const parts = { ...shared, inbound, self: undefined, redeem, readLogin: deps.readLogin };
        return createExchange(api.id, { ...config, scope }, parts, ports);
      };
    }
    case "signedJwt": {
      const { issuer, signingKeys: keys } = deps;
      const made = createSignedJwt(api.id, credential, { issuer, keys }, ports);
      return () => made;
    }
    case "connection": {
      const { connections } = deps;
      const provider = connections?.providers.get(credential.provider);
      // The configuration has been checked for it.
      if (connections === undefined || provider === undefined)
        throw new TypeError(`no provider ${credential.provider}`);
      const shared = tokenDeps(api, provider.client, deps, ports);
      const made = createConnection(
        api.id,
        credential,
        { ...shared, ...connections, provider },
        ports,
      );
      return () => made;
    }
    case "login": {
      const made = createLogin(api.id, credential, deps, ports);
      return () => made;
    }
    case "clientCredentials": {
      const shared = tokenDeps(api, credential.client, deps, ports);
      const made = createClientCredentials(api.id, credential, shared, ports);
      return () => made;
    }
  }
}

/** For nobody in particular: it only says who acts. */
function ownToken(client: string): ClientCredentialsConfig {
  return { kind: "clientCredentials", client, audience: [], resource: [], scope: [] };
}

/** The token endpoint of one client, behind the circuit that all who ask there share. */
export function requestTokenOf(
  client: ClientConfig,
  deps: Omit<TokenEndpointDeps, "circuit"> & Pick<CredentialDeps, "tokens">,
  ports: Ports,
): RequestToken {
  const place = tokenKey([client.issuer, client.tokenUrl ?? null, client.id]);
  return createTokenEndpoint(client, { ...deps, circuit: deps.tokens.circuit(place) }, ports);
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
  return { client, requestToken: requestTokenOf(client, deps, ports), tokens: deps.tokens };
}
