import { resolve } from "node:path";
import { Secret } from "../../base/secret.ts";
import type { Config } from "../config.ts";
import type { ClientAuthConfig, ClientConfig } from "../types/clients.ts";
import {
  child,
  entriesOf,
  label,
  nameOf,
  scalarsOf,
  textOf,
  writtenChild,
  type YamlNode,
} from "../node.ts";
import { endpointRules, issuerRules } from "../url.ts";
import { checkUrl, type Scope } from "./scope.ts";

export function compileClients(
  scope: Scope,
  brokerIssuer: string | undefined,
): ReadonlyMap<string, ClientConfig> {
  const clients = entriesOf(child(child(scope.root, "auth"), "clients"));
  return new Map(
    clients.map(([name, node]): [string, ClientConfig] => {
      const issuer = checkUrl(child(node, "issuer"), issuerRules, scope.problems);
      // A broker whose issuer is unusable may well be the one that is meant.
      const embedded = brokerIssuer !== undefined && ["", issuer].includes(brokerIssuer);
      const client: ClientConfig = {
        name,
        issuer: issuer ?? "",
        tokenUrl: checkUrl(child(node, "tokenUrl"), endpointRules, scope.problems),
        id: textOf(child(node, "id")) ?? "",
        auth: compileClientAuth(scope, node, embedded),
        position: nameOf(node),
      };
      return [name, client];
    }),
  );
}

export function compileSigningKeys(scope: Scope): Config["signingKeys"] {
  return scalarsOf(child(child(scope.root, "auth"), "signingKeys")).map((node) => ({
    key: privateKey(scope, node) ?? new Secret(""),
    position: node.position,
  }));
}

/** Which keys of a client belong to which way of proving itself. */
const keysOf = {
  none: [],
  client_secret_basic: ["secret"],
  client_secret_post: ["secret"],
  private_key_jwt: ["key", "algorithm", "keyId", "certificate", "assertionAudience"],
  tls_client_auth: ["key", "certificate"],
  workload: ["tokenFile"],
} as const satisfies Record<ClientAuthConfig["kind"], readonly string[]>;

const allKeys: ReadonlySet<string> = new Set(Object.values(keysOf).flat());

function compileClientAuth(scope: Scope, node: YamlNode, embedded: boolean): ClientAuthConfig {
  const written = textOf(child(node, "auth")) ?? "";
  // A name that the schema refused says nothing about the other keys.
  if (!isKind(written)) return { kind: "client_secret_basic", secret: new Secret("") };
  refuse(scope, node, written);
  for (const key of requiredOf[written]) {
    // The gateway makes a key pair of its own for a client of its own broker.
    if (!(embedded && written === "private_key_jwt")) demand(scope, node, written, key);
  }
  const text = (key: string): string => textOf(child(node, key)) ?? "";
  switch (written) {
    case "none":
      return { kind: written };
    case "client_secret_basic":
    case "client_secret_post":
      return { kind: written, secret: new Secret(text("secret")) };
    case "private_key_jwt":
      return compileAssertion(scope, node);
    case "tls_client_auth": {
      const key = privateKey(scope, child(node, "key")) ?? new Secret("");
      return { kind: written, certificate: text("certificate"), key };
    }
    case "workload":
      return { kind: written, tokenFile: resolve(scope.directory, text("tokenFile")) };
  }
}

const requiredOf: Readonly<Record<ClientAuthConfig["kind"], readonly string[]>> = {
  none: [],
  client_secret_basic: ["secret"],
  client_secret_post: ["secret"],
  private_key_jwt: ["key"],
  tls_client_auth: ["certificate", "key"],
  workload: ["tokenFile"],
};

function compileAssertion(scope: Scope, node: YamlNode): ClientAuthConfig {
  const audience = textOf(child(node, "assertionAudience"));
  return {
    kind: "private_key_jwt",
    key: privateKey(scope, child(node, "key")),
    algorithm: textOf(child(node, "algorithm")) ?? "ES256",
    keyId: textOf(child(node, "keyId")),
    certificate: textOf(child(node, "certificate")),
    assertionAudience: audience === "tokenUrl" ? audience : "issuer",
  };
}

function isKind(name: string): name is ClientAuthConfig["kind"] {
  return Object.hasOwn(keysOf, name);
}

function demand({ problems }: Scope, node: YamlNode, kind: string, key: string): void {
  if (child(node, key) !== undefined) return;
  const message = `${label(node)} needs "${key}" for auth: ${kind}`;
  problems.error({ at: nameOf(node), code: "missing_key", message });
}

function refuse({ problems }: Scope, node: YamlNode, kind: ClientAuthConfig["kind"]): void {
  const own: readonly string[] = keysOf[kind];
  for (const key of allKeys) {
    const extra = own.includes(key) ? undefined : writtenChild(node, key);
    if (extra === undefined) continue;
    const message = `${label(extra)} has no meaning with auth: ${kind}`;
    problems.error({ at: nameOf(extra), code: "conflicting_keys", message });
  }
}

function privateKey({ problems }: Scope, node: YamlNode | undefined): Secret | undefined {
  const text = textOf(node);
  if (node === undefined || text === undefined) return undefined;
  // RFC 7468 §10; "BEGIN EC PRIVATE KEY" and its like are older, algorithm-specific forms.
  if (!text.includes("-----BEGIN PRIVATE KEY-----"))
    problems.error({
      at: node,
      code: "invalid_key",
      message: `${label(node)} must be a PKCS #8 private key in PEM form (BEGIN PRIVATE KEY)`,
      help: "convert it with: openssl pkcs8 -topk8 -nocrypt",
    });
  return new Secret(text);
}
