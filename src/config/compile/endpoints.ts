import type { ApiConfig } from "../types/apis.ts";
import type { AuthConfig } from "../types/auth.ts";
import type { EndpointConfig } from "../types/endpoints.ts";
import type { ServerConfig } from "../types/server.ts";
import { child, entriesOf, itemsOf, label, nameOf, quote, textOf, textsOf } from "../node.ts";
import type { YamlNode } from "../node.ts";
import { didYouMean } from "../problems.ts";
import { nearest } from "../../base/nearest.ts";
import { logoutPath } from "../url.ts";
import type { Scope } from "./scope.ts";

export interface EndpointParts {
  readonly server: ServerConfig;
  readonly auth: AuthConfig;
  readonly apis: readonly Pick<ApiConfig, "id" | "position">[];
}

export function compileEndpoints(scope: Scope, parts: EndpointParts): readonly EndpointConfig[] {
  const ids = parts.apis.map(({ id }) => id);
  const entries = entriesOf(child(scope.root, "endpoints"));
  if (entries.length === 0)
    return [
      {
        path: "/mcp",
        resource: `${parts.server.url}/mcp`,
        apis: ids,
        audience: [],
        profile: "default",
      },
    ];
  const endpoints = entries.map(([path, node]) => {
    checkPath(scope, path, node);
    const apis = child(node, "apis");
    checkApis(scope, itemsOf(apis), ids);
    const audience = textsOf(child(node, "audience"));
    const resource = `${parts.server.url}${path}`;
    const profile = textOf(child(node, "profile")) === "gemini" ? "gemini" : "default";
    return { path, resource, apis: textsOf(apis), audience, profile } as const;
  });
  checkPaths(scope, entries);
  const served = new Set(endpoints.flatMap(({ apis }) => apis));
  for (const { id, position } of parts.apis) {
    if (served.has(id)) continue;
    const message = `no endpoint has the api ${id}`;
    scope.problems.warn({ at: position, code: "api_not_served", message });
  }
  checkAudiences(scope, entries, parts.auth);
  return endpoints;
}

/** Pages for people have these. */
const ownPaths = /^\/(connect|disconnect|login)(\/|$)/;

function checkPath({ problems }: Scope, path: string, node: YamlNode): void {
  if (!ownPaths.test(path)) return;
  const message = `${path} is a path of the gateway's own pages`;
  problems.error({ at: nameOf(node), code: "invalid_name", message });
}

function checkApis({ problems }: Scope, items: readonly YamlNode[], ids: readonly string[]): void {
  for (const item of items) {
    const id = textOf(item);
    if (id === undefined || ids.includes(id)) continue;
    problems.error({
      at: item,
      code: "unknown_api",
      message: `${label(item)} is no api: ${quote(item)}`,
      help: didYouMean(nearest(id, ids)),
    });
  }
}

function checkPaths({ problems }: Scope, entries: readonly (readonly [string, YamlNode])[]): void {
  for (const [path, node] of entries) {
    if (path !== logoutPath) continue;
    const message = `${path} is where issuers end logins; an endpoint needs another path`;
    problems.error({ at: nameOf(node), code: "invalid_value", message });
  }
}

/** A token for one endpoint must be none for another. */
function checkAudiences(
  { problems }: Scope,
  entries: readonly (readonly [string, YamlNode])[],
  auth: AuthConfig,
): void {
  if (entries.length < 2 || auth.mode !== "oauth") return;
  const fixed = auth.issuers.find(({ audience }) => audience === "none" || audience.length > 0);
  const owners = new Map<string, string>();
  for (const [path, node] of entries) {
    const own = child(node, "audience");
    if (own === undefined && fixed !== undefined) {
      const message = `a token of ${fixed.issuer} would be for every endpoint`;
      const help = "write audience here, or take it out of the issuer";
      problems.error({ at: nameOf(node), code: "ambiguous_audience", message, help });
    }
    for (const audience of textsOf(own)) {
      const owner = owners.get(audience);
      if (own !== undefined && owner !== undefined) {
        const message = `the audience of ${label(own)} is that of ${owner}`;
        problems.error({ at: own, code: "ambiguous_audience", message });
      }
      owners.set(audience, path);
    }
  }
}
