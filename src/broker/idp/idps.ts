import type { Ports } from "../../base/ports.ts";
import type { BrokerConfig } from "../../config/types/broker.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import { createClientAuth, type ClientKeys } from "../../upstream/credential/client-auth.ts";
import type { FetchAs } from "../../upstream/credential/tls-fetch.ts";
import type { Idp } from "./idp.ts";
import type { Fetch } from "./idp-fetch.ts";
import { createOAuthProvider } from "./oauth2.ts";
import { createOpenIdProvider } from "./openid.ts";

export interface IdpSurroundings {
  readonly fetch: Fetch;
  /** For providers that want a client certificate. */
  readonly fetchAs: FetchAs;
  readonly clientKeys: ClientKeys;
}

/** @throws ConfigError `invalid_client_key` */
export function createIdps(
  { issuer, upstream }: BrokerConfig,
  { fetch, fetchAs, clientKeys }: IdpSurroundings,
  ports: Ports,
): readonly Idp[] {
  if (upstream.kind === "dev") return [];
  const fetchOf = ({ auth }: ClientConfig): Fetch =>
    auth.kind === "tls_client_auth" ? fetchAs(auth) : fetch;
  return upstream.idps.map((config) => {
    const create = config.protocol === "openid" ? createOpenIdProvider : createOAuthProvider;
    return create({
      config,
      redirectUri: `${issuer}${callbackPath(config.name, upstream.idps.length)}`,
      auth: createClientAuth(config.client, clientKeys, ports),
      fetch: fetchOf(config.client),
      now: ports.now,
    });
  });
}

/** One for each where there are several: a code must not end up at another provider (mix-up). */
export function callbackPath(name: string, count: number): string {
  return count === 1 ? "/idp/callback" : `/idp/${name}/callback`;
}
