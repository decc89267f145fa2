import { webcrypto } from "node:crypto";
import type { Ports } from "../base/ports.ts";
import type { Broker } from "../broker/broker.ts";
import type { IdpSurroundings } from "../broker/idp/idps.ts";
import type { BrokerClient } from "../broker/client.ts";
import type { Config } from "../config/config.ts";
import type { ClientAuthConfig } from "../config/types/clients.ts";
import type { AddressOf } from "../http/forwarded.ts";
import { nobody, type Note } from "../observe/record/event.ts";
import type { Recorder } from "../observe/recorder.ts";
import type { ClientKey } from "../upstream/credential/client-auth.ts";

export interface MadeKey {
  readonly key: ClientKey;
  readonly publicJwk: webcrypto.JsonWebKey & { readonly kid: string };
}

interface BrokerParts {
  readonly keys: ReadonlyMap<string, MadeKey>;
  readonly lasting: IdpSurroundings & { readonly recorder: Pick<Recorder, "note"> };
  /** Takes what was refused or failed: strangers can make much of it. */
  readonly refuse: (note: Note) => void;
  readonly onGrantEnded: (grantId: string) => void;
  readonly addressOf: AddressOf;
  readonly ports: Ports;
}

/** A client of our own broker needs no secret in a file: it gets a key pair that lives in memory. */
export async function makeClientKeys(config: Config): Promise<ReadonlyMap<string, MadeKey>> {
  const made = new Map<string, MadeKey>();
  for (const { name, auth } of config.clients.values()) {
    if (auth.kind !== "private_key_jwt" || auth.key !== undefined) continue;
    const pair = await webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
      "sign",
      "verify",
    ]);
    const kid = `${name}-1`;
    const publicJwk = await webcrypto.subtle.exportKey("jwk", pair.publicKey);
    made.set(name, { key: { key: pair.privateKey, kid }, publicJwk: { ...publicJwk, kid } });
  }
  return made;
}

/** The embedded authorization server, told by the configuration what it may issue tokens for. */
export async function startableBroker(
  current: () => Config,
  config: Config,
  { keys, lasting, refuse, onGrantEnded, addressOf, ports }: BrokerParts,
): Promise<Broker | undefined> {
  const { broker } = config;
  if (broker === undefined) return undefined;
  const clients = [...config.clients.values()]
    .filter((client) => client.issuer === broker.issuer)
    .flatMap(({ name, id, auth }): BrokerClient[] => {
      const own = brokerAuthOf(auth, keys.get(name));
      if (own === undefined) return [];
      return [
        {
          id,
          auth: own,
          ...(config.connections?.login.client === name
            ? { redirectUris: [`${config.server.url}/login/callback`] }
            : {}),
          get audiences() {
            return targetsOf(current(), name).flatMap(({ audience, resource }) => [
              ...audience,
              ...resource,
            ]);
          },
          get scopes() {
            return targetsOf(current(), name).flatMap(({ scope }) => scope);
          },
        },
      ];
    });
  // A third of a second to load, and most gateways have none.
  const { createBroker } = await import("../broker/broker.ts");
  const { auth } = config;
  return createBroker(
    broker,
    {
      ...lasting,
      resources: () => resourcesOf(current()),
      clients,
      onGrantEnded,
      addressOf,
      // A client that is offered DPoP sends tokens that a gateway without it does not accept.
      dpop: auth.mode === "oauth" && auth.dpop !== "off",
      tell: ({ event, outcome, reason, sub, clientId, detail }) => {
        const action = event.slice("broker.".length);
        const what = {
          action,
          ...(sub !== undefined && { sub }),
          ...(clientId !== undefined && { client_id: clientId }),
          ...(detail !== undefined && { detail }),
        };
        const note: Note = {
          ...nobody,
          event: "broker.action",
          transport: "http",
          outcome,
          reason,
          detail: { broker: what },
        };
        if (outcome === "success") lasting.recorder.note(note);
        else refuse(note);
      },
    },
    ports,
  );
}

/** undefined: a way that the broker does not know. */
function brokerAuthOf(
  auth: ClientAuthConfig,
  key: MadeKey | undefined,
): BrokerClient["auth"] | undefined {
  switch (auth.kind) {
    case "client_secret_basic":
    case "client_secret_post":
      return auth;
    case "private_key_jwt":
      return key && { kind: auth.kind, jwks: [key.publicJwk] };
    case "tls_client_auth":
    case "workload":
    case "none":
      return undefined;
  }
}

interface Target {
  readonly audience: readonly string[];
  readonly resource: readonly string[];
  readonly scope: readonly string[];
}

function targetsOf(config: Config, client: string): Target[] {
  return config.apis.flatMap(({ credential }) =>
    (credential.kind === "exchange" || credential.kind === "clientCredentials") &&
    credential.client === client
      ? [credential]
      : [],
  );
}

function resourcesOf(config: Config): { resource: string; scopes: readonly string[] }[] {
  const baseline = config.auth.mode === "oauth" ? config.auth.scopes : [];
  return config.endpoints.map((endpoint) => {
    const rules = config.apis
      .filter(({ id }) => endpoint.apis.includes(id))
      .flatMap((api) => api.rules);
    const scopes = new Set([...baseline, ...rules.flatMap((rule) => rule.scopes)]);
    return { resource: endpoint.resource, scopes: [...scopes] };
  });
}
