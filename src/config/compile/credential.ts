import { nearest } from "../../base/nearest.ts";
import type { ClientConfig } from "../types/clients.ts";
import type { CredentialConfig } from "../types/credential.ts";
import { exchangePreset, ownClaims, protocolFields } from "../exchange-presets.ts";
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
import { didYouMean } from "../problems.ts";
import { durationOf, type Scope } from "./scope.ts";
import { compileStatic } from "./static.ts";

type ExchangeConfig = Extract<CredentialConfig, { kind: "exchange" }>;

type Clients = ReadonlyMap<string, ClientConfig>;

/** @param clients Those of `auth.clients`. */
export function compileCredential(
  scope: Scope,
  node: YamlNode | undefined,
  clients: Clients,
): CredentialConfig {
  const exchange = child(node, "exchange");
  if (exchange !== undefined) {
    checkPreset(scope, exchange);
    checkProof(scope, child(exchange, "client"), clients, textOf(child(exchange, "preset")));
    return compileExchange(scope, exchange, clients);
  }
  const bearer = child(node, "jwtBearer");
  if (bearer !== undefined) {
    checkProof(scope, child(bearer, "client"), clients, undefined);
    return compileExchange(scope, bearer, clients);
  }
  const signed = child(node, "signedJwt");
  if (signed !== undefined) return compileSignedJwt(scope, signed);
  const own = child(node, "clientCredentials");
  if (own !== undefined) {
    checkProof(scope, child(own, "client"), clients, undefined);
    return { kind: "clientCredentials", ...compileTargets(scope, own, clients) };
  }
  const idJag = child(node, "idJag");
  if (idJag !== undefined) return compileIdJag(scope, idJag, clients);
  const connection = child(node, "connection");
  if (connection !== undefined) return compileConnection(scope, connection);
  const fixed = child(node, "static");
  return fixed === undefined ? { kind: "none" } : compileStatic(scope, fixed);
}

function compileConnection(scope: Scope, node: YamlNode): CredentialConfig {
  const login = child(node, "login");
  if (login === undefined) {
    return {
      kind: "connection",
      provider: textOf(child(node, "provider")) ?? "",
      scope: textsOf(child(node, "scope")),
    };
  }
  refuse(scope, node, "login: what is granted there, broker.upstream asks for", ["scope"]);
  const idps = entriesOf(child(child(scope.root, "broker"), "upstream"));
  const name = textOf(login) ?? "";
  const [, idp] = idps.find(([known]) => known === name) ?? [];
  if (idp === undefined) {
    const message = `${label(login)}: broker.upstream has no ${quote(login)}`;
    const help = didYouMean(
      nearest(
        name,
        idps.map(([known]) => known),
      ),
    );
    scope.problems.error({
      at: login,
      code: "unknown_provider",
      message,
      help: login.origin === undefined ? help : undefined,
    });
  }
  const title = textOf(child(idp, "title")) ?? name;
  return { kind: "login", idp: name, title, client: textOf(child(idp, "client")) ?? "" };
}

function compileSignedJwt({ problems }: Scope, node: YamlNode): CredentialConfig {
  for (const claim of itemsOf(child(node, "claims"))) {
    if (!ownClaims.has(textOf(claim) ?? "")) continue;
    const message = `${label(claim)} must not be ${quote(claim)}: the gateway says that itself`;
    problems.error({ at: claim, code: "conflicting_keys", message });
  }
  return {
    kind: "signedJwt",
    audience: textOf(child(node, "audience")) ?? "",
    claims: textsOf(child(node, "claims")),
    typ: textOf(child(node, "typ")) ?? "at+jwt",
  };
}

type Targets = Pick<ExchangeConfig, "client" | "audience" | "resource" | "scope">;

function compileTargets(scope: Scope, node: YamlNode, clients: Clients): Targets {
  checkClient(scope, child(node, "client"), clients);
  checkResources(scope, child(node, "resource"));
  return {
    client: textOf(child(node, "client")) ?? "",
    audience: textsOf(child(node, "audience")),
    resource: textsOf(child(node, "resource")),
    scope: textsOf(child(node, "scope")),
  };
}

/** `jwtBearer` has fewer keys than `exchange`, and the grant in its name. */
function compileExchange(scope: Scope, node: YamlNode, clients: Clients): ExchangeConfig {
  const grant = textOf(child(node, "grant")) === "token-exchange" ? "token-exchange" : "jwt-bearer";
  if (grant === "jwt-bearer")
    refuse(scope, node, `grant: ${grant}`, ["subjectTokenType", "requestedTokenType", "actor"]);
  return {
    kind: "exchange",
    grant,
    subject: compileSubject(scope, child(node, "subject")),
    ...compileTargets(scope, node, clients),
    scopeGranularity: textOf(child(node, "scopeGranularity")) === "api" ? "api" : "operation",
    addedScopes: textsOf(child(node, "addedScopes")),
    parameters: compileParameters(scope, child(node, "parameters")),
    verifyAudience: child(node, "verifyAudience")?.value !== false,
    subjectTokenType: tokenTypeOf(child(node, "subjectTokenType")) ?? "",
    requestedTokenType: tokenTypeOf(child(node, "requestedTokenType")),
    actor: textOf(child(node, "actor")) === "self" ? "self" : "none",
    cache: compileCache(scope, child(node, "cache")),
    retry: child(node, "retry")?.value !== false,
    stepUp: compileStepUp(scope, child(node, "stepUp")),
  };
}

/** The login's token is there only where the broker sends people to an identity provider. */
function compileSubject(
  { root, problems }: Scope,
  node: YamlNode | undefined,
): ExchangeConfig["subject"] {
  if (node === undefined || textOf(node) !== "login") return "caller";
  if (child(child(root, "broker"), "upstream")?.kind !== "mapping") {
    const message = `${label(node)}: login needs identity providers in broker.upstream`;
    problems.error({ at: node, code: "missing_key", message });
  }
  return "login";
}

/** `jwtBearer` has the usual times only. */
function compileCache({ problems }: Scope, node: YamlNode | undefined): ExchangeConfig["cache"] {
  if (node === undefined) return { maxMs: 600_000, failureMs: 5_000 };
  return {
    maxMs: durationOf(child(node, "maxTtl"), { min: "1s", max: "1h" }, problems),
    failureMs: durationOf(child(node, "negative"), { min: "0s", max: "30s" }, problems),
  };
}

function compileStepUp({ problems }: Scope, node: YamlNode | undefined): ExchangeConfig["stepUp"] {
  if (node === undefined) return undefined;
  const maxAge = child(node, "maxAge");
  const acrValues = textsOf(child(node, "acrValues"));
  if (acrValues.length === 0 && maxAge === undefined) {
    const message = `${label(node)} needs "acrValues" or "maxAge"`;
    problems.error({ at: nameOf(node), code: "missing_key", message });
  }
  const maxAgeMs = durationOf(maxAge, { min: "1s", max: "24h" }, problems);
  return { acrValues, maxAgeS: maxAge && Math.floor(maxAgeMs / 1000) };
}

/** An authorization server of its own, and what the company's says to it. */
function compileIdJag(scope: Scope, node: YamlNode, clients: Clients): CredentialConfig {
  const isOn = textsOf(child(scope.root, "experimental")).includes("id-jag");
  if (!isOn) {
    const message = `${label(node)} is experimental: it follows a draft and may change in any version`;
    const help = "write experimental: [id-jag] at the top level to use it all the same";
    scope.problems.error({ at: nameOf(node), code: "experimental", message, help });
  }
  const at = child(node, "at");
  checkProof(scope, child(node, "client"), clients, undefined);
  checkClient(scope, at, clients);
  const { client, resource, scope: scopes } = compileTargets(scope, node, clients);
  const [own, other] = [clients.get(client), clients.get(textOf(at) ?? "")];
  if (at !== undefined && own !== undefined && own.issuer === other?.issuer) {
    const message = `${label(at)} is at the issuer of "client": there is nothing to cross`;
    scope.problems.error({ at, code: "conflicting_keys", message, help: "use exchange" });
  }
  return {
    kind: "idJag",
    client,
    at: textOf(at) ?? "",
    resource,
    scope: scopes,
    subjectTokenType: tokenTypeOf(child(node, "subjectTokenType")) ?? "",
  };
}

/** RFC 8693 §3: a short name stands for its URI. */
function tokenTypeOf(node: YamlNode | undefined): string | undefined {
  const text = textOf(node);
  if (text === undefined || text === "none") return undefined;
  return text.includes(":") ? text : `urn:ietf:params:oauth:token-type:${text}`;
}

function compileParameters(
  { problems }: Scope,
  node: YamlNode | undefined,
): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of entriesOf(node)) {
    parameters.set(name, textOf(value) ?? "");
    if (!protocolFields.has(name)) continue;
    const message = `${label(value)} is a field that other keys of the credential decide`;
    problems.error({ at: nameOf(value), code: "conflicting_keys", message });
  }
  return parameters;
}

function checkPreset(scope: Scope, node: YamlNode): void {
  const name = textOf(child(node, "preset")) ?? "";
  const { required, unknown } = exchangePreset(name);
  for (const key of required) {
    if (child(node, key) !== undefined) continue;
    const message = `${label(node)} needs "${key}" with preset: ${name}`;
    scope.problems.error({ at: nameOf(node), code: "missing_key", message });
  }
  refuse(scope, node, `preset: ${name}`, unknown);
}

function refuse(
  { problems }: Scope,
  node: YamlNode,
  beside: string,
  keys: readonly string[],
): void {
  for (const key of keys) {
    const extra = writtenChild(node, key);
    if (extra === undefined) continue;
    const message = `${label(extra)} has no meaning with ${beside}`;
    problems.error({ at: nameOf(extra), code: "conflicting_keys", message });
  }
}

function checkClient({ problems }: Scope, node: YamlNode | undefined, clients: Clients): void {
  const name = textOf(node);
  if (node === undefined || name === undefined || clients.has(name)) return;
  problems.error({
    at: node,
    code: "unknown_client",
    message: `${label(node)}: auth.clients has no ${quote(node)}`,
    help: node.origin === undefined ? didYouMean(nearest(name, [...clients.keys()])) : undefined,
  });
}

/** A client that proves nothing could be anybody, so only a server that wants it so gets it. */
function checkProof(
  { problems }: Scope,
  node: YamlNode | undefined,
  clients: Clients,
  preset: string | undefined,
): void {
  const proves = clients.get(textOf(node) ?? "")?.auth.kind !== "none";
  if (node === undefined || proves === (preset !== "google-sts")) return;
  const message = proves
    ? `${label(node)} needs a client with auth: none for preset: google-sts`
    : `${label(node)} has auth: none, which only preset: google-sts takes`;
  problems.error({ at: node, code: "conflicting_keys", message });
}

/** RFC 8707 §2: an absolute URI without a fragment. */
function checkResources({ problems }: Scope, list: YamlNode | undefined): void {
  for (const node of scalarsOf(list)) {
    const text = textOf(node);
    if (text === undefined || (URL.canParse(text) && !text.includes("#"))) continue;
    const message = `${label(node)} must be an absolute URI without fragment, not ${quote(node)}`;
    problems.error({ at: node, code: "invalid_url", message });
  }
}
