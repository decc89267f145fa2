import { resolve } from "node:path";
import type {
  AuthConfig,
  ClaimTest,
  ClaimValue,
  IssuerConfig,
  JwksConfig,
  ScopeClaims,
} from "../types/auth.ts";
import type { ClientConfig } from "../types/clients.ts";
import type { ServerConfig } from "../types/server.ts";
import {
  child,
  entriesOf,
  itemsOf,
  label,
  nameOf,
  quote,
  scalarsOf,
  textOf,
  textsOf,
  writtenChild,
  type YamlNode,
} from "../node.ts";
import { nearest } from "../../base/nearest.ts";
import { didYouMean, type Problems } from "../problems.ts";
import { isLoopback } from "../units.ts";
import { endpointRules, issuerRules } from "../url.ts";
import { checkUrl, durationOf, type Scope } from "./scope.ts";

type OAuth = Extract<AuthConfig, { readonly mode: "oauth" }>;

interface Around {
  readonly server: ServerConfig;
  readonly clients: Clients;
  /** Of the embedded broker, whose keys are where they are. */
  readonly brokerIssuer: string | undefined;
}

export function compileAuth(scope: Scope, { server, clients, brokerIssuer }: Around): AuthConfig {
  const auth = child(scope.root, "auth");
  if (textOf(child(auth, "mode")) === "none") return withoutTokens(scope, auth, server);
  const issuers = child(auth, "issuers");
  const items = itemsOf(issuers);
  if (auth !== undefined && issuers?.kind === "list" && items.length === 0)
    scope.problems.error({
      at: issuers.written ? nameOf(issuers) : nameOf(auth),
      code: "missing_key",
      message: 'auth needs at least one entry in "issuers": nobody could call',
      help: "or write mode: none, on a loopback listener",
    });
  checkUnique(scope, items);
  return {
    mode: "oauth",
    scopes: textsOf(child(auth, "scopes")),
    stepUp: child(auth, "stepUp")?.value !== false,
    keysDir: resolve(scope.directory, textOf(child(auth, "keysDir")) ?? ""),
    dpop: (textOf(child(auth, "dpop")) ?? "off") as OAuth["dpop"],
    deny: {
      jti: textsOf(child(child(auth, "deny"), "jti")),
      sub: textsOf(child(child(auth, "deny"), "sub")),
      clients: textsOf(child(child(auth, "deny"), "clients")),
    },
    cache: compileCache(scope, child(auth, "cache")),
    issuers: items
      .flatMap((item) => compileIssuer(scope, item, clients))
      .map((one) =>
        one.issuer === brokerIssuer
          ? { ...one, embedded: true, jwksUrl: one.jwksUrl ?? `${brokerIssuer}/jwks.json` }
          : one,
      ),
  };
}

/** Keys that say how to believe tokens would be ignored, and no key is. */
function withoutTokens(
  { problems }: Scope,
  auth: YamlNode | undefined,
  server: ServerConfig,
): AuthConfig {
  for (const key of ["scopes", "stepUp", "keysDir", "dpop", "deny", "cache", "issuers"]) {
    const node = writtenChild(auth, key);
    if (node === undefined) continue;
    const message = `auth.${key} has no meaning with mode: none`;
    problems.error({ at: nameOf(node), code: "conflicting_keys", message });
  }
  const mode = child(auth, "mode");
  if (mode !== undefined && !isLoopback(server.listen.host))
    problems.error({
      at: mode,
      code: "insecure_listen",
      message: "auth.mode none is for a loopback listener only: everyone could call",
      help: "set server.listen to 127.0.0.1, or use mode: oauth",
    });
  return { mode: "none" };
}

function checkUnique({ problems }: Scope, items: readonly YamlNode[]): void {
  const seen = new Set<string>();
  for (const item of items) {
    const node = child(item, "issuer");
    const issuer = textOf(node);
    if (node === undefined || issuer === undefined) continue;
    if (seen.has(issuer)) {
      const message = `auth.issuers has ${quote(node)} twice`;
      problems.error({ at: node, code: "duplicate_item", message });
    }
    seen.add(issuer);
  }
}

/** One per tenant, so that each is compared byte for byte. */
function compileIssuer(scope: Scope, item: YamlNode, clients: Clients): readonly IssuerConfig[] {
  const node = child(item, "issuer");
  const text = textOf(node) ?? "";
  const listed = textsOf(child(item, "tenants"));
  const rules = { ...compileRules(scope, item), ...compileTokens(scope, item, clients) };
  checkTenants(scope, item, listed);
  checkClients(scope, item, rules);
  if (node !== undefined && text.includes("{tid}"))
    return listed.map((tenant) => {
      const place = { ...node, value: text.replaceAll("{tid}", tenant) };
      return { ...rules, issuer: checkUrl(place, issuerRules, scope.problems) ?? "", tenant };
    });
  const issuer = checkUrl(node, issuerRules, scope.problems) ?? "";
  const own = rules.preset === "entra" && issuer !== "" ? tenantOf(issuer) : undefined;
  return [{ ...rules, issuer, tenant: listed[0] ?? own }];
}

/** `https://login.microsoftonline.com/TENANT/v2.0` */
function tenantOf(issuer: string): string {
  return new URL(issuer).pathname.split("/")[1] ?? "";
}

/** Names that Entra gives its endpoints for everybody; no token is of such an issuer. */
const sharedTenants: ReadonlySet<string> = new Set(["common", "organizations", "consumers"]);

function checkTenants({ problems }: Scope, item: YamlNode, listed: readonly string[]): void {
  const node = child(item, "issuer");
  const text = textOf(node) ?? "";
  if (node === undefined) return;
  const help = "write {tid} in its place and list the accepted tenants";
  if (text.includes("{tid}") && listed.length === 0) {
    const message = `${label(item)} needs "tenants" for the {tid} of its issuer`;
    problems.error({ at: nameOf(node), code: "missing_key", message });
  }
  if (!text.includes("{tid}") && listed.length > 1) {
    const message = `${label(item)} has one issuer and several tenants`;
    problems.error({ at: node, code: "invalid_value", message, help });
  }
  const names = [...listed, ...(presetName(item) === "entra" ? text.split("/").slice(3, 4) : [])];
  const shared = names.find((name) => sharedTenants.has(name));
  if (shared !== undefined) {
    const message = `"${shared}" is no tenant: no token is issued by it`;
    problems.error({ at: node, code: "invalid_value", message, help });
  }
}

function presetName(item: YamlNode): string {
  return textOf(child(item, "preset")) ?? "generic";
}

/** Without an audience any token of the issuer would do; naming the clients is what is left. */
function checkClients({ problems }: Scope, item: YamlNode, rules: Rules): void {
  if (rules.audience !== "none") return;
  const at = nameOf(child(item, "audience") ?? item);
  if (rules.clients.length === 0) {
    const message = `${label(item)} needs "clients": with audience none every client's tokens would do`;
    problems.error({ at, code: "missing_key", message });
    return;
  }
  const message = `${label(item)} accepts tokens that are not bound to this gateway`;
  const help = "set audience to what the issuer can put into aud, if it can";
  problems.warn({ at, code: "audience_not_checked", message, help });
}

type Clients = ReadonlyMap<string, ClientConfig>;

function compileTokens(
  { problems }: Scope,
  item: YamlNode,
  clients: Clients,
): Pick<IssuerConfig, "tokens" | "introspection"> {
  const tokens = tokensOf(item);
  const node = child(item, "introspection");
  checkAsking(problems, item, tokens);
  if (node === undefined) return { tokens: "jwt", introspection: undefined };
  const name = child(node, "client");
  const client = textOf(name) ?? "";
  if (name !== undefined && !clients.has(client)) {
    const message = `${label(name)} is no client: ${quote(name)}`;
    const help = didYouMean(nearest(client, [...clients.keys()]));
    problems.error({ at: name, code: "unknown_client", message, help });
  }
  const url = checkUrl(child(node, "url"), endpointRules, problems);
  const cacheMs = durationOf(child(node, "cache"), { min: "1s", max: "10m" }, problems);
  const every = child(node, "every");
  const everyMs = every && durationOf(every, { min: "1s", max: "1h" }, problems);
  return { tokens, introspection: { client, url, cacheMs, everyMs } };
}

function tokensOf(item: YamlNode): IssuerConfig["tokens"] {
  const tokens = textOf(child(item, "tokens"));
  return tokens === "introspect" || tokens === "auto" ? tokens : "jwt";
}

/** Signed tokens need nobody to ask, unless it is written how often; others need somebody. */
function checkAsking(problems: Problems, item: YamlNode, tokens: IssuerConfig["tokens"]): void {
  const node = child(item, "introspection");
  const every = child(node, "every");
  if (tokens !== "jwt" && node === undefined) {
    const message = `${label(item)} needs "introspection" with tokens: ${tokens}`;
    problems.error({ at: nameOf(child(item, "tokens") ?? item), code: "missing_key", message });
  }
  if (tokens === "jwt" && node !== undefined && every === undefined) {
    const message = `${label(node)} has no meaning with tokens: jwt, unless "every" is in it`;
    problems.error({ at: nameOf(node), code: "conflicting_keys", message });
  }
  if (tokens === "introspect" && every !== undefined) {
    const message = `${label(every)} is for signed tokens and has no meaning with tokens: introspect`;
    problems.error({ at: nameOf(every), code: "conflicting_keys", message });
  }
}

type Rules = Omit<IssuerConfig, "issuer" | "tenant">;

function compileRules(
  { problems }: Scope,
  item: YamlNode,
): Omit<Rules, "tokens" | "introspection"> {
  const audience = child(item, "audience");
  const lifetime = { min: "1m", max: "168h" };
  return {
    embedded: false,
    preset: presetName(item),
    audience: textOf(audience) === "none" ? "none" : textsOf(audience),
    exclusive: child(item, "exclusive")?.value === true,
    typ: textOf(child(item, "typ")) === "any" ? "any" : "at+jwt",
    algorithms: textsOf(child(item, "algorithms")),
    jwksUrl: checkUrl(child(item, "jwksUrl"), endpointRules, problems),
    jwks: compileJwks(problems, child(item, "jwks")),
    backChannelLogout: compileLogout(child(item, "backChannelLogout")),
    clockSkewMs: durationOf(child(item, "clockSkew"), { min: "0s", max: "120s" }, problems),
    maxLifetimeMs: durationOf(child(item, "maxLifetime"), lifetime, problems),
    clientClaims: textsOf(child(item, "client")),
    clients: textsOf(child(item, "clients")),
    scopes: compileScopes(child(item, "scopes")),
    nameClaims: textsOf(child(item, "name")),
    roleClaims: textsOf(child(item, "roles")),
    require: new Map(
      entriesOf(child(item, "require")).map(([claim, node]) => [claim, compileTest(node)]),
    ),
    machine: itemsOf(child(item, "machine")).map(
      (rule) => new Map(entriesOf(rule).map(([claim, { value }]) => [claim, value as ClaimValue])),
    ),
    allowMachine: child(item, "allowMachine")?.value === true,
  };
}

function compileLogout(node: YamlNode | undefined): IssuerConfig["backChannelLogout"] {
  return node && { audience: textsOf(child(node, "audience")) };
}

function compileCache({ problems }: Scope, node: YamlNode | undefined): OAuth["cache"] {
  return {
    entries: Number(child(node, "entries")?.value),
    maxAgeMs: durationOf(child(node, "maxAge"), { min: "1s", max: "1h" }, problems),
  };
}

function compileJwks(problems: Problems, node: YamlNode | undefined): JwksConfig {
  return {
    hosts: textsOf(child(node, "hosts")),
    staleForMs: durationOf(child(node, "staleFor"), { min: "1m", max: "168h" }, problems),
    cooldownMs: durationOf(child(node, "cooldown"), { min: "1s", max: "10m" }, problems),
    startup: textOf(child(node, "startup")) === "lazy" ? "lazy" : "require",
  };
}

function compileScopes(node: YamlNode | undefined): ScopeClaims {
  return {
    from: textsOf(child(node, "from")),
    prefix: textOf(child(node, "prefix")) ?? "",
    advertise: textOf(child(node, "advertise")) ?? "",
    implies: new Map(
      entriesOf(child(node, "implies")).map(([scope, list]) => [scope, textsOf(list)]),
    ),
  };
}

function compileTest(node: YamlNode): ClaimTest {
  const all = child(node, "all");
  const values = scalarsOf(node.kind === "mapping" ? (child(node, "any") ?? all) : node);
  return {
    kind: all === undefined ? "any" : "all",
    values: values.map(({ value }) => value as ClaimValue),
  };
}
