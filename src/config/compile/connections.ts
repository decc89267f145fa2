import { resolve } from "node:path";
import { nearest } from "../../base/nearest.ts";
import type { Secret } from "../../base/secret.ts";
import type { ApiConfig } from "../types/apis.ts";
import type { AuthConfig } from "../types/auth.ts";
import type { ClientConfig } from "../types/clients.ts";
import type { ConnectionsConfig, ProviderConfig } from "../types/connections.ts";
import { flowParameters } from "../exchange-presets.ts";
import { child, entriesOf, label, nameOf, quote, textOf, textsOf, type YamlNode } from "../node.ts";
import { compileRedis } from "./redis.ts";
import { compileSealKeys, makeKey } from "./seal-keys.ts";
import { didYouMean } from "../problems.ts";
import { endpointRules } from "../url.ts";
import { checkUrl, type Scope } from "./scope.ts";

type Clients = ReadonlyMap<string, ClientConfig>;

export interface ConnectionParts {
  readonly clients: Clients;
  readonly auth: AuthConfig;
  readonly apis: readonly Pick<ApiConfig, "credential">[];
}

export function compileConnections(
  scope: Scope,
  { clients, auth, apis }: ConnectionParts,
): ConnectionsConfig | undefined {
  const node = child(scope.root, "connections");
  if (node === undefined) return undefined;
  if (auth.mode === "none") {
    const message = "connections have no meaning with auth.mode none: nobody is known";
    scope.problems.error({ at: nameOf(node), code: "conflicting_keys", message });
  }
  const login = child(node, "login");
  checkLogin(scope, child(login, "client"), { clients, auth });
  const directory = textOf(child(node, "dir"));
  const redis = child(node, "redis");
  if (directory !== undefined && redis !== undefined) {
    const message = "connections are kept in dir or in redis, not in both";
    scope.problems.error({ at: nameOf(redis), code: "conflicting_keys", message });
  }
  const keys = compileKeys(scope, node);
  return {
    keys,
    dir: directory === undefined ? undefined : resolve(scope.directory, directory),
    redis: redis && compileRedis(redis),
    login: { client: textOf(child(login, "client")) ?? "", scope: textsOf(child(login, "scope")) },
    providers: new Map(
      entriesOf(child(node, "providers")).map(([name, provider]) => [
        name,
        compileProvider(scope, provider, { name, clients, scopes: scopesOf(apis, name) }),
      ]),
    ),
  };
}

function compileKeys(scope: Scope, node: YamlNode): readonly Secret[] {
  const keys = compileSealKeys(scope, child(node, "keys"));
  const store = child(node, "dir") ?? child(node, "redis");
  if (store !== undefined && keys.length === 0) {
    const message = `${label(node)} needs "keys" for ${label(store)}: what is kept must be readable after a restart`;
    scope.problems.error({ at: nameOf(store), code: "missing_key", message, help: makeKey });
  }
  return keys;
}

/** `sub` of one issuer says nothing about that of another. */
function checkLogin(
  scope: Scope,
  node: YamlNode | undefined,
  { clients, auth }: Omit<ConnectionParts, "apis">,
): void {
  const client = findClient(scope, node, clients);
  if (node === undefined || client === undefined || auth.mode === "none") return;
  if (auth.issuers.some(({ issuer }) => issuer === client.issuer)) return;
  const message = `${label(node)}: the issuer of ${quote(node)} is none of auth.issuers, so it cannot say who a caller is`;
  scope.problems.error({ at: node, code: "invalid_value", message });
}

function compileProvider(
  scope: Scope,
  node: YamlNode,
  { name, clients, scopes }: { name: string; clients: Clients; scopes: readonly string[] },
): ProviderConfig {
  findClient(scope, child(node, "client"), clients);
  return {
    name,
    title: textOf(child(node, "title")) ?? name,
    client: textOf(child(node, "client")) ?? "",
    authorizationUrl: checkUrl(child(node, "authorizationUrl"), endpointRules, scope.problems),
    revocationUrl: checkUrl(child(node, "revocationUrl"), endpointRules, scope.problems),
    parameters: compileParameters(scope, child(node, "parameters")),
    scope: scopes,
    position: nameOf(node),
  };
}

/** What every API that uses the connection needs: people are asked once. */
function scopesOf(apis: ConnectionParts["apis"], provider: string): readonly string[] {
  const scopes = apis.flatMap(({ credential }) =>
    credential.kind === "connection" && credential.provider === provider ? credential.scope : [],
  );
  return [...new Set(scopes)];
}

function compileParameters(
  { problems }: Scope,
  node: YamlNode | undefined,
): ReadonlyMap<string, string> {
  const entries = entriesOf(node);
  for (const [name, value] of entries) {
    if (!flowParameters.has(name)) continue;
    const message = `${label(value)} is a parameter that the gateway decides`;
    problems.error({ at: nameOf(value), code: "conflicting_keys", message });
  }
  return new Map(entries.map(([name, value]) => [name, textOf(value) ?? ""]));
}

function findClient(
  { problems }: Scope,
  node: YamlNode | undefined,
  clients: Clients,
): ClientConfig | undefined {
  const name = textOf(node);
  const client = clients.get(name ?? "");
  if (node !== undefined && name !== undefined && client === undefined)
    problems.error({
      at: node,
      code: "unknown_client",
      message: `${label(node)}: auth.clients has no ${quote(node)}`,
      help: node.origin === undefined ? didYouMean(nearest(name, [...clients.keys()])) : undefined,
    });
  return client;
}

/** Every connection that a credential names exists. */
export function checkConnections({ root, problems }: Scope): void {
  const known = entriesOf(child(child(root, "connections"), "providers")).map(([name]) => name);
  for (const [, api] of entriesOf(child(root, "apis"))) {
    const node = child(child(child(api, "credential"), "connection"), "provider");
    const name = textOf(node);
    if (node === undefined || name === undefined || known.includes(name)) continue;
    problems.error({
      at: node,
      code: "unknown_provider",
      message: `${label(node)}: connections.providers has no ${quote(node)}`,
      help: node.origin === undefined ? didYouMean(nearest(name, known)) : undefined,
    });
  }
}
