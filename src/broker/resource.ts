/** A protected resource the broker issues tokens for: one MCP endpoint of the gateway. */
export interface BrokerResource {
  /** Its resource indicator, e.g. `http://localhost:3000/mcp`; the only `aud` of its tokens. */
  readonly resource: string;
  readonly scopes: readonly string[];
}

/** Read on every request, because a reload of the configuration may change endpoints and scopes. */
export type Resources = () => readonly BrokerResource[];

/** Scopes of the broker itself, which belong to no resource. */
export const ownScopes: readonly string[] = ["openid", "offline_access"];

/**
 * The resource a client means. Clients write `HTTP://LocalHost:3000/mcp/` for
 * `http://localhost:3000/mcp` (many pass it through a URL parser first), so scheme, host, default
 * port and one trailing slash are forgiven; path, query and fragment are not.
 */
export function findResource(
  resources: readonly BrokerResource[],
  indicator: string,
): BrokerResource | undefined {
  const wanted = normalForm(indicator);
  return resources.find(
    ({ resource }) => resource === indicator || (wanted && normalForm(resource) === wanted),
  );
}

function normalForm(indicator: string): string | undefined {
  if (!URL.canParse(indicator)) return undefined;
  const { href } = new URL(indicator);
  return href.endsWith("/") ? href.slice(0, -1) : href;
}

/** The resource of a client that names none (2025-03-26 clients never do): clear if there is one. */
export function onlyResource(resources: readonly BrokerResource[]): BrokerResource | undefined {
  return resources.length === 1 ? resources[0] : undefined;
}

/** What a client that names no scope asks for; `openid` where the resource has none of its own. */
export function defaultScopes(resource: BrokerResource | undefined): readonly string[] {
  return resource && resource.scopes.length > 0 ? resource.scopes : ["openid"];
}
