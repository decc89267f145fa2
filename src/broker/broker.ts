import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { Context, Provider } from "oidc-provider/lib/provider.js";
import { createCache } from "../base/cache.ts";
import { ConfigError } from "../base/errors.ts";
import type { Log, Ports } from "../base/ports.ts";
import { escapeText } from "../base/text.ts";
import type { BrokerConfig } from "../config/config.ts";
import type { BrokerClient } from "./client.ts";
import { registerClientGrants } from "./client-grants.ts";
import { devLogin } from "./dev-login.ts";
import { createDoor } from "./door.ts";
import { createInteractions } from "./interaction.ts";
import type { Account } from "./login.ts";
import { createProvider } from "./provider.ts";
import { isLoopback } from "./redirect.ts";
import type { Resources } from "./resource.ts";
import { createStore } from "./store.ts";
import { createSigningKey } from "./token.ts";

export interface BrokerDeps {
  /** Asked on every request. */
  readonly resources: Resources;
  readonly clients: readonly BrokerClient[];
}

/** An authorization server of its own (RFC 6749, 7591, 8414, 8693, 8707, 9068, 9207). */
export interface Broker {
  /** @throws the listener's error, e.g. `EADDRINUSE`. */
  readonly listen: () => Promise<{ readonly port: number }>;
  /** Ends the listener and every open connection. */
  readonly close: () => Promise<void>;
  /** The same server without a listener, for one that already exists. */
  readonly handler: RequestListener;
}

const accountsKeptFor = 91 * 86_400_000;

/**
 * Builds the development authorization server: people and clients are invented, keys and grants
 * live in memory.
 *
 * @throws ConfigError `broker_not_loopback` when the listener or the issuer could be reached from
 *   another machine: whoever reaches its login page is logged in.
 */
export async function createBroker(
  config: BrokerConfig,
  { resources, clients }: BrokerDeps,
  ports: Ports,
): Promise<Broker> {
  assertLoopback(config);
  const { issuer } = config;
  const { now, log } = ports;
  const key = await createSigningKey();
  const store = createStore(now);
  // A day longer than any grant (90 days), which needs its person at every refresh.
  const accounts = createCache<Account>(10_000, now);
  const accountOf = accounts.get;
  const provider = createProvider({ issuer, key, clients, resources, accountOf, store });
  registerClientGrants(provider, { issuer, key, clients, resources, now });
  logEvents(provider, log);
  const interactions = createInteractions({
    provider,
    issuer,
    login: devLogin,
    remember: (account) => accounts.set(account.sub, account, now() + accountsKeptFor),
    accountOf,
    resources,
    store,
  });
  const callback = provider.callback();
  const handler = createDoor({ issuer, resources, provider: callback, interactions }, ports);
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, handler);

  return {
    handler,
    listen: () =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(config.listen.port, config.listen.host, () => {
          server.off("error", reject);
          resolve({ port: (server.address() as AddressInfo).port });
        });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function assertLoopback({ issuer, listen }: BrokerConfig): void {
  const url = URL.parse(issuer);
  const issuerFits = url?.protocol === "http:" && url.origin === issuer && isLoopback(url.hostname);
  const wrong = [
    ...(issuerFits
      ? []
      : [`broker.issuer ${escapeText(issuer)} is not an http origin on loopback`]),
    ...(isLoopback(listen.host)
      ? []
      : [`broker.listen ${escapeText(listen.host)} is not loopback`]),
  ];
  if (wrong.length === 0) return;
  throw new ConfigError(
    wrong.map((message) => ({
      severity: "error",
      code: "broker_not_loopback",
      message,
      position: undefined,
      help: "the development login has no passwords; use localhost or 127.0.0.1",
    })),
  );
}

/** One line per refusal, with the detail that the client is not told (RFC 6749 §5.2 has one text for all). */
function logEvents(provider: Provider, log: Log): void {
  const refusals = {
    "authorization.error": "authorize",
    "grant.error": "token",
    "registration_create.error": "register",
    "revocation.error": "revoke",
  };
  for (const [event, endpoint] of Object.entries(refusals)) {
    provider.on(event, ({ oidc }: Context, error) => {
      log.info("broker_refused", {
        endpoint,
        error: escapeText(error.message),
        detail: escapeText(error.error_detail ?? error.error_description ?? ""),
        client: escapeText(oidc.client?.clientId ?? ""),
      });
    });
  }
  provider.on("server_error", (_ctx, error) => log.error("broker_failed", {}, error));
  provider.on("error", (error) => log.error("broker_failed", {}, error));
}
