import { allowInsecureRequests, revocationRequest } from "oauth4webapi";

import type { Ports } from "../../base/ports.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import { createClientAuth } from "./client-auth.ts";
import { isSafeUrl } from "./issuer-metadata.ts";
import type { TokenEndpointDeps } from "./token-endpoint.ts";
import { TokenFailure } from "./token-failure.ts";
import { requestJson } from "./token-http.ts";
import type { Connection } from "./vault.ts";

/**
 * Tells a third party that its tokens are not needed any more (RFC 7009). A failure is logged and
 * changes nothing: nobody here has them any longer.
 */
export type Revoke = (connection: Connection, url: string | undefined) => Promise<void>;

export function createRevoke(
  client: ClientConfig,
  deps: Omit<TokenEndpointDeps, "circuit">,
  ports: Ports,
): Revoke {
  const clientAuth = createClientAuth(client, deps.clientKeys, ports);
  const fetch = client.auth.kind === "tls_client_auth" ? deps.fetchAs(client.auth) : deps.fetch;
  return async ({ accessToken, refreshToken }, url) => {
    try {
      const known = client.tokenUrl !== undefined;
      const endpoint =
        url ?? (known ? undefined : (await deps.metadata(client.issuer)).revocationUrl);
      if (endpoint === undefined || !isSafeUrl(endpoint)) return;
      // RFC 7009 §2.1: with the refresh token end the access tokens that came from it.
      const token = refreshToken ?? accessToken;
      await requestJson(fetch, (options) =>
        revocationRequest(
          { issuer: client.issuer, revocation_endpoint: endpoint },
          { client_id: client.id },
          clientAuth,
          token.reveal(),
          { ...options, [allowInsecureRequests]: true },
        ),
      );
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error;
      ports.log.warn("revocation_failed", { client: client.name, code: error.code });
    }
  };
}
