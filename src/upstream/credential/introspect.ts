import { allowInsecureRequests, introspectionRequest } from "oauth4webapi";

import type { JsonObject } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import { createClientAuth } from "./client-auth.ts";
import { isSafeUrl } from "./issuer-metadata.ts";
import type { TokenEndpointDeps } from "./token-endpoint.ts";
import { TokenFailure } from "./token-failure.ts";
import { requestJson } from "./token-http.ts";

/**
 * Asks an authorization server what it knows of a token (RFC 7662 §2), as one of the gateway's
 * clients.
 *
 * @param url undefined: `introspection_endpoint` of the metadata of the client's issuer.
 * @throws TokenFailure (the returned function) when there is no answer that could be believed.
 */
export function createIntrospect(
  client: ClientConfig,
  url: string | undefined,
  deps: Omit<TokenEndpointDeps, "circuit">,
  ports: Ports,
): (token: string) => Promise<JsonObject> {
  const clientAuth = createClientAuth(client, deps.clientKeys, ports);
  const fetch = client.auth.kind === "tls_client_auth" ? deps.fetchAs(client.auth) : deps.fetch;
  return async (token) => {
    const endpoint = url ?? (await deps.metadata(client.issuer)).introspectionUrl();
    if (endpoint === undefined) throw new TokenFailure("no_metadata");
    if (!isSafeUrl(endpoint)) throw new TokenFailure("insecure_token_endpoint");
    const { status, body } = await requestJson(fetch, (options) =>
      introspectionRequest(
        { issuer: client.issuer, introspection_endpoint: endpoint },
        { client_id: client.id },
        clientAuth,
        token,
        {
          ...options,
          additionalParameters: { token_type_hint: "access_token" },
          [allowInsecureRequests]: true,
        },
      ),
    );
    if (status === 401) throw new TokenFailure("invalid_client");
    if (status >= 500) throw new TokenFailure("server_error");
    if (status !== 200) throw new TokenFailure("unexpected_status");
    if (body === undefined) throw new TokenFailure("malformed_reply");
    return body;
  };
}
