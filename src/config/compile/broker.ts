import { resolve } from "node:path";
import { nearest } from "../../base/nearest.ts";
import { Secret } from "../../base/secret.ts";
import type {
  AllowConfig,
  BrokerClientConfig,
  BrokerConfig,
  BrokerStoreConfig,
  BrokerUpstream,
  IdpConfig,
} from "../types/broker.ts";
import type { ClientConfig } from "../types/clients.ts";
import type { ServerConfig } from "../types/server.ts";
import { publicIdps } from "../idp-presets.ts";
import {
  child,
  entriesOf,
  itemsOf,
  label,
  nameOf,
  quote,
  textOf,
  textsOf,
  writtenChild,
  type YamlNode,
} from "../node.ts";
import { didYouMean } from "../problems.ts";
import { isLoopback } from "../units.ts";
import { endpointRules, hostOf, issuerRules, originRules, urlFault } from "../url.ts";
import { compileRedis } from "./redis.ts";
import { checkUrl, type Scope } from "./scope.ts";
import { compileSealKeys } from "./seal-keys.ts";
import { listenOf } from "./server.ts";

/** What clients are checked against: a client of our own broker needs no key. */
export function brokerIssuer({ root, problems }: Scope): string | undefined {
  const broker = child(root, "broker");
  if (broker === undefined) return undefined;
  return checkUrl(child(broker, "issuer"), originRules, problems) ?? "";
}

interface Around {
  readonly issuer: string | undefined;
  readonly server: Pick<ServerConfig, "url" | "listen">;
  readonly clients: ReadonlyMap<string, ClientConfig>;
}

export function compileBroker(scope: Scope, around: Around): BrokerConfig | undefined {
  const { root, problems } = scope;
  const broker = child(root, "broker");
  const { issuer } = around;
  if (broker === undefined || issuer === undefined) return undefined;
  const listenNode = child(broker, "listen");
  const shared = listenNode === undefined && issuer !== "" && issuer === around.server.url;
  const listen = shared ? undefined : listenOf(broker, issuer || undefined, problems);
  const upstream = compileUpstream(scope, child(broker, "upstream"), around.clients);
  if (upstream.kind === "dev") {
    // Who reaches the gateway reaches a broker on its listener, whatever the address says.
    const place = shared ? child(root, "server") : broker;
    const { host } = listen ?? around.server.listen;
    checkLoopback(scope, { broker, issuer, host, listens: child(place, "listen") ?? broker });
  }
  const store = compileStore(scope, child(broker, "store"));
  if (upstream.kind !== "dev") checkShared(scope, store);
  const redirects = child(broker, "redirects");
  return {
    issuer,
    listen,
    upstream,
    registration: compileRegistration(scope, child(broker, "registration")),
    redirects: {
      known: child(redirects, "known")?.value !== false,
      allowed: itemsOf(child(redirects, "allowed")).map((node) => redirectUri(scope, node)),
    },
    consent: textOf(child(broker, "consent")) === "remember" ? "remember" : "always",
    store,
    assertionIssuers: compileAssertionIssuers(scope, child(broker, "assertionIssuers"), upstream),
  };
}

function compileRegistration(
  scope: Scope,
  node: YamlNode | undefined,
): BrokerConfig["registration"] {
  const documents = child(node, "documents");
  return {
    dynamic: textOf(child(node, "dynamic")) === "off" ? "off" : "open",
    documents: {
      hosts: textOf(documents) === "any" ? "any" : textsOf(documents),
      privateHosts: textsOf(child(node, "privateHosts")),
    },
    clients: compileClients(scope, child(node, "clients")),
  };
}

function compileAssertionIssuers(
  { problems }: Scope,
  node: YamlNode | undefined,
  upstream: BrokerUpstream,
): BrokerConfig["assertionIssuers"] {
  const mayLogIn = (issuer: string): boolean =>
    upstream.kind === "dev" || upstream.idps.some(({ client }) => client.issuer === issuer);
  return entriesOf(node).map(([issuer, url]) => {
    const fault = urlFault(issuer, issuerRules);
    if (fault !== undefined) {
      const message = `${label(url)} ${fault}`;
      problems.error({ at: nameOf(url), code: "invalid_url", message });
    } else if (!mayLogIn(issuer)) {
      problems.error({
        at: nameOf(url),
        code: "assertion_issuer_without_rules",
        message: `${label(url)}: nobody logs in at this issuer`,
        help: "add it to `broker.upstream`, whose `allow` says who may enter",
      });
    }
    return { issuer, jwksUrl: checkUrl(url, endpointRules, problems) ?? "" };
  });
}

function checkLoopback(
  { problems }: Scope,
  at: {
    readonly broker: YamlNode;
    readonly issuer: string;
    readonly host: string;
    readonly listens: YamlNode;
  },
): void {
  const devOnly = "with `upstream: dev` anyone can log in, so it must be on loopback";
  const { broker, issuer, host, listens } = at;
  const wrong: (YamlNode | undefined)[] = [
    issuer !== "" && !isLoopback(hostOf(new URL(issuer))) ? child(broker, "issuer") : undefined,
    isLoopback(host) ? undefined : listens,
  ];
  for (const node of wrong) {
    if (node === undefined) continue;
    const message = `${label(node)}: ${devOnly}`;
    problems.error({ at: node, code: "insecure_broker", message });
  }
}

function compileUpstream(
  scope: Scope,
  node: YamlNode | undefined,
  clients: Around["clients"],
): BrokerUpstream {
  if (node?.kind !== "mapping") return { kind: "dev" };
  return {
    kind: "idps",
    idps: entriesOf(node).flatMap(([name, idp]) => compileIdp(scope, { name, node: idp }, clients)),
  };
}

function compileIdp(
  scope: Scope,
  { name, node }: { readonly name: string; readonly node: YamlNode },
  clients: Around["clients"],
): readonly IdpConfig[] {
  const { problems } = scope;
  const client = clientOf(scope, child(node, "client"), clients);
  const protocol = textOf(child(node, "protocol")) === "oauth2" ? "oauth2" : "openid";
  const url = (key: string): string | undefined =>
    checkUrl(child(node, key), endpointRules, problems);
  const endpoints = {
    authorizationUrl: url("authorizationUrl"),
    tokenUrl: url("tokenUrl") ?? client?.tokenUrl,
    userUrl: url("userUrl"),
    emailsUrl: url("emailsUrl"),
    organizationsUrl: url("organizationsUrl"),
  };
  checkProtocol(scope, node, protocol);
  const person = child(node, "person");
  const path = (key: string): string => textOf(child(person, key)) ?? "";
  if (client === undefined) return [];
  if (protocol === "oauth2" && endpoints.tokenUrl === undefined)
    problems.error({
      at: nameOf(node),
      code: "missing_key",
      message: `${label(node)} needs "tokenUrl" for protocol: oauth2`,
    });
  return [
    {
      name,
      title: textOf(child(node, "title")) ?? name,
      client,
      protocol,
      scope: textsOf(child(node, "scope")),
      params: new Map(
        entriesOf(child(node, "params")).map(([key, value]) => [key, textOf(value) ?? ""]),
      ),
      allowedHosts: textsOf(child(node, "allowedHosts")),
      endpoints,
      tokenRequest: textOf(child(node, "tokenRequest")) === "json" ? "json" : "form",
      person: {
        subject: path("subject"),
        name: textsOf(child(person, "name")),
        email: path("email"),
        emailVerified: path("emailVerified"),
        groups: path("groups"),
        organization: path("organization"),
      },
      claims: new Map(
        entriesOf(child(node, "claims")).map(([claim, value]) => [claim, textOf(value) ?? ""]),
      ),
      allow: compileAllow(scope, node),
      onRefresh: textOf(child(node, "onRefresh")) === "skip" ? "skip" : "verify",
      position: nameOf(node),
    },
  ];
}

function clientOf(
  { problems }: Scope,
  node: YamlNode | undefined,
  clients: Around["clients"],
): ClientConfig | undefined {
  const name = textOf(node);
  if (node === undefined || name === undefined) return undefined;
  const client = clients.get(name);
  if (client !== undefined) return client;
  problems.error({
    at: node,
    code: "unknown_client",
    message: `${label(node)}: there is no client ${quote(node)} in auth.clients`,
    help: didYouMean(nearest(name, [...clients.keys()])),
  });
  return undefined;
}

const oauthOnly = ["authorizationUrl", "tokenUrl", "userUrl", "emailsUrl", "organizationsUrl"];

function checkProtocol({ problems }: Scope, node: YamlNode, protocol: string): void {
  if (protocol === "oauth2") {
    if (child(node, "authorizationUrl") !== undefined) return;
    const message = `${label(node)} needs "authorizationUrl" for protocol: oauth2`;
    problems.error({ at: nameOf(node), code: "missing_key", message });
    return;
  }
  for (const key of oauthOnly) {
    const extra = writtenChild(node, key);
    if (extra === undefined) continue;
    const message = `${label(extra)} has no meaning with protocol: openid`;
    problems.error({ at: nameOf(extra), code: "conflicting_keys", message });
  }
}

function compileAllow({ problems }: Scope, idp: YamlNode): AllowConfig | undefined {
  const allow = child(idp, "allow");
  const preset = textOf(child(idp, "preset")) ?? "generic";
  if (allow === undefined && publicIdps.has(preset)) {
    problems.error({
      at: nameOf(idp),
      code: "missing_key",
      message: `${label(idp)} needs "allow" with preset: ${preset}: everyone has an account there`,
      help: "write allow: everyone, if that is meant",
    });
  }
  if (allow?.kind !== "mapping") return undefined;
  const emailDomains = textsOf(child(allow, "emailDomains"));
  const verified = child(allow, "emailVerified")?.value;
  return {
    emailDomains,
    emailVerified: typeof verified === "boolean" ? verified : emailDomains.length > 0,
    groups: textsOf(child(allow, "groups")),
    organizations: textsOf(child(allow, "organizations")),
  };
}

function compileClients(
  scope: Scope,
  node: YamlNode | undefined,
): ReadonlyMap<string, BrokerClientConfig> {
  return new Map(
    entriesOf(node).map(([id, client]) => {
      const secret = textOf(child(client, "secret"));
      const uris = itemsOf(child(client, "redirectUris")).map((uri) => redirectUri(scope, uri));
      const made: BrokerClientConfig = {
        id,
        secret: secret === undefined ? undefined : new Secret(secret),
        redirectUris: uris,
      };
      return [id, made];
    }),
  );
}

/** RFC 9700 §2.1: what the operator writes is compared byte for byte, so it must be in normal form. */
function redirectUri({ problems }: Scope, node: YamlNode): string {
  const text = textOf(node) ?? "";
  const url = URL.parse(text);
  const normal = url !== null && (url.href === text || url.href === `${text}/`);
  const secure = url?.protocol !== "http:" || isLoopback(hostOf(url));
  const scheme = !/^(?:javascript|data|vbscript|file|blob|about|ws|wss|ftp):/i.test(text);
  if (!normal || !secure || !scheme || url.username !== "" || text.includes("#"))
    problems.error({
      at: node,
      code: "invalid_url",
      message: `${label(node)} must be a redirect URI in normal form: https, http on loopback, or an app's own scheme, without user and fragment`,
    });
  return text;
}

function compileStore(scope: Scope, node: YamlNode | undefined): BrokerStoreConfig {
  const lmdb = child(node, "lmdb");
  if (lmdb !== undefined) {
    return {
      kind: "lmdb",
      dir: resolve(scope.directory, textOf(child(lmdb, "dir")) ?? ""),
      keys: compileSealKeys(scope, child(lmdb, "encryptionKeys")),
    };
  }
  const redis = child(node, "redis");
  if (redis === undefined) return { kind: "memory" };
  const keys = compileSealKeys(scope, child(redis, "encryptionKeys"));
  return { kind: "redis", ...compileRedis(redis), keys };
}

function checkShared({ root, problems }: Scope, store: BrokerStoreConfig): void {
  const replicas = child(root, "replicas");
  if (replicas === undefined || store.kind === "redis") return;
  problems.error({
    at: nameOf(replicas),
    code: "broker_store_not_shared",
    message: `${label(replicas)} share no broker.store: who began a login at one cannot end it at another`,
    help: "use `store: {redis: …}`",
  });
}
