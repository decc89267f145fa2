import type { AuthConfig, IssuerConfig } from "../config/types/auth.ts";
import type { EndpointConfig } from "../config/types/endpoints.ts";
import { proofAlgorithms } from "./proof.ts";

/** RFC 9728 metadata of one endpoint, ready to be served. */
export interface ResourceMetadata {
  /** Its own URL, for `resource_metadata` in challenges. */
  readonly url: string;
  /** Request paths that answer with it. */
  readonly paths: readonly string[];
  /** JSON. */
  readonly body: string;
}

const wellKnown = "/.well-known/oauth-protected-resource";

/**
 * `only` says whether this is the gateway's only endpoint: then the metadata is at the root too, for
 * clients that know no other place (RFC 9728 §3.1 inserts the path). `certificates`: whether clients
 * are asked for one.
 */
export function compileMetadata(
  config: Extract<AuthConfig, { readonly mode: "oauth" }>,
  { resource }: Pick<EndpointConfig, "resource">,
  { only, certificates }: { readonly only: boolean; readonly certificates: boolean },
): ResourceMetadata {
  const { origin, pathname } = new URL(resource);
  const path = `${wellKnown}${pathname === "/" ? "" : pathname}`;
  const body = JSON.stringify({
    // Verbatim: clients and issuers compare it byte for byte.
    resource,
    authorization_servers: config.issuers.map(({ issuer }) => issuer),
    scopes_supported: compileAdvertised(config.issuers, resource)(config.scopes),
    bearer_methods_supported: ["header"],
    ...(config.dpop === "off" ? {} : { dpop_signing_alg_values_supported: proofAlgorithms }),
    ...(certificates ? { tls_client_certificate_bound_access_tokens: true } : {}),
    ...(config.dpop === "required" ? { dpop_bound_access_tokens_required: true } : {}),
    resource_name: "Tollgate",
  });
  const paths = only && path !== wellKnown ? [path, wellKnown] : [path];
  return { url: `${origin}${path}`, paths, body };
}

/** Scopes as clients must ask for them. */
export type AdvertiseScopes = (scopes: readonly string[]) => readonly string[];

/**
 * `offline_access` is between client and authorization server; clients add it by themselves. Issuers
 * that know scopes only in full (Entra: `<resource>/<scope>`) get them so.
 */
export function compileAdvertised(
  issuers: readonly Pick<IssuerConfig, "scopes">[],
  resource: string,
): AdvertiseScopes {
  const prefixes = new Set(
    issuers.map(({ scopes }) => scopes.advertise.replaceAll("{resource}", resource)),
  );
  return (scopes) =>
    scopes
      .filter((scope) => scope !== "offline_access")
      .flatMap((scope) => [...prefixes].map((prefix) => `${prefix}${scope}`));
}
