import type { ApiConfig } from "../../config/types/apis.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import type { ProviderConfig } from "../../config/types/connections.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { Operation } from "../../openapi/operation/operation.ts";
import { scopeFor } from "./operation-scope.ts";

/** One request to a token endpoint that a call would need, or the token that it makes itself. */
export interface Hop {
  readonly grant: string;
  /** Issuer of the token that results. */
  readonly issuer: string;
  /** Token endpoint; null: from the issuer's metadata, or none is asked. */
  readonly tokenUrl: string | null;
  readonly client: string | null;
  /** How the client proves itself. */
  readonly auth: string | null;
  readonly audience: readonly string[];
  readonly resource: readonly string[];
  readonly scope: readonly string[];
  readonly requestedTokenType: string | null;
  /** Names only. */
  readonly parameters: readonly string[];
  /** Per caller's token, per person, for every caller, or not at all. */
  readonly kept: "per token" | "per person" | "for all" | "never";
  /** A dry run is a process of its own, whose cache is empty: a call from here would ask. */
  readonly cache: "miss" | "none";
}

/** How the credential of one operation comes about, in order; empty: nobody is asked. No secrets. */
export function explainCredential(
  { credential }: Pick<ApiConfig, "credential">,
  operation: Pick<Operation, "security">,
  gateway: {
    readonly url: string;
    readonly clients: ReadonlyMap<string, ClientConfig>;
    readonly providers: ReadonlyMap<string, ProviderConfig>;
  },
): readonly Hop[] {
  switch (credential.kind) {
    case "none":
    case "static":
      return [];
    case "signedJwt":
      return [
        {
          ...nothing,
          grant: "signed by the gateway",
          issuer: gateway.url,
          audience: [credential.audience],
        },
      ];
    case "idJag": {
      const [client, at] = [credential.client, credential.at].map((name) =>
        gateway.clients.get(name),
      );
      const scope = scopeFor({ ...credential, scopeGranularity: "operation" }, operation.security);
      const audience = at === undefined ? [] : [at.issuer];
      const hop: Hop = {
        ...own({ audience, resource: credential.resource, scope }, client),
        grant: "token-exchange",
        requestedTokenType: "urn:ietf:params:oauth:token-type:id-jag",
        kept: "never",
        cache: "none",
      };
      const redeemed: Hop = {
        ...own({ audience: [], resource: [], scope: [] }, at),
        grant: "jwt-bearer",
        kept: "per token",
      };
      return [hop, redeemed];
    }
    case "connection": {
      const { provider, scope } = credential;
      const client = gateway.clients.get(gateway.providers.get(provider)?.client ?? "");
      const targets = { audience: [], resource: [], scope };
      return [
        {
          ...own(targets, client),
          grant: `connected account at ${provider}`,
          kept: "per person",
          // What a person connected is known to the running gateway only.
          cache: "none",
        },
      ];
    }
    case "login": {
      const { client, idp } = credential;
      const targets = { audience: [], resource: [], scope: [] };
      return [
        {
          ...own(targets, gateway.clients.get(client)),
          grant: `login at ${idp}`,
          kept: "per token",
          // What was given at a login is known to the running broker only.
          cache: "none",
        },
      ];
    }
    case "clientCredentials":
      return [own(credential, gateway.clients.get(credential.client))];
    case "exchange": {
      const client = gateway.clients.get(credential.client);
      const hop: Hop = {
        ...own(credential, client),
        grant: credential.grant,
        scope: scopeFor(credential, operation.security),
        requestedTokenType: credential.requestedTokenType ?? null,
        parameters: [...credential.parameters.keys()],
        kept: "per token",
      };
      if (credential.actor === "none") return [hop];
      return [own({ ...credential, audience: [], resource: [], scope: [] }, client), hop];
    }
  }
}

const nothing = {
  tokenUrl: null,
  client: null,
  auth: null,
  audience: [],
  resource: [],
  scope: [],
  requestedTokenType: null,
  parameters: [],
  kept: "never",
  cache: "none",
} as const;

type Targets = Pick<
  Extract<CredentialConfig, { kind: "clientCredentials" }>,
  "audience" | "resource" | "scope"
>;

function own({ audience, resource, scope }: Targets, client: ClientConfig | undefined): Hop {
  return {
    ...nothing,
    grant: "client_credentials",
    issuer: client?.issuer ?? "",
    tokenUrl: client?.tokenUrl ?? null,
    client: client?.id ?? null,
    auth: client?.auth.kind ?? null,
    audience,
    resource,
    scope,
    kept: "for all",
    cache: "miss",
  };
}
