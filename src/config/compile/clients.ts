import { Secret } from "../../base/secret.ts";
import type { BrokerConfig, ClientAuthConfig, ClientConfig } from "../config.ts";
import { child, entriesOf, label, nameOf, textOf, writtenChild, type YamlNode } from "../node.ts";
import { endpointRules, issuerRules } from "../url.ts";
import { checkUrl, type Scope } from "./scope.ts";

export function compileClients(
  scope: Scope,
  broker: BrokerConfig | undefined,
): ReadonlyMap<string, ClientConfig> {
  const clients = entriesOf(child(child(scope.root, "auth"), "clients"));
  return new Map(
    clients.map(([name, node]): [string, ClientConfig] => {
      const issuer = checkUrl(child(node, "issuer"), issuerRules, scope.problems);
      // A broker whose issuer is unusable may well be the one that is meant.
      const embedded = broker !== undefined && ["", issuer].includes(broker.issuer);
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

function compileClientAuth(scope: Scope, node: YamlNode, embedded: boolean): ClientAuthConfig {
  const kind = textOf(child(node, "auth"));
  if (kind === "none") {
    refuse(scope, node, kind, ["secret", "key", "algorithm", "keyId"]);
    return { kind };
  }
  if (kind === "private_key_jwt") {
    refuse(scope, node, kind, ["secret"]);
    if (!embedded) demand(scope, node, kind, "key");
    return {
      kind,
      key: privateKey(scope, child(node, "key")),
      algorithm: textOf(child(node, "algorithm")) ?? "ES256",
      keyId: textOf(child(node, "keyId")),
    };
  }
  const method = kind === "client_secret_post" ? kind : "client_secret_basic";
  if (kind === method) {
    refuse(scope, node, method, ["key", "algorithm", "keyId"]);
    demand(scope, node, method, "secret");
  }
  return { kind: method, secret: new Secret(textOf(child(node, "secret")) ?? "") };
}

function demand({ problems }: Scope, node: YamlNode, kind: string, key: string): void {
  if (child(node, key) !== undefined) return;
  const message = `${label(node)} needs "${key}" for auth: ${kind}`;
  problems.error({ at: nameOf(node), code: "missing_key", message });
}

function refuse({ problems }: Scope, node: YamlNode, kind: string, keys: readonly string[]): void {
  for (const key of keys) {
    const extra = writtenChild(node, key);
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
