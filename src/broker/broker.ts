import { lookup } from "node:dns";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { ConfigError } from "../base/errors.ts";
import type { Ports } from "../base/ports.ts";
import { escapeText } from "../base/text.ts";
import type { BrokerConfig, BrokerStoreConfig } from "../config/types/broker.ts";
import { assemble, type AssemblyDeps } from "./assembly.ts";
import { createClientDocuments, type DocumentDeps } from "./client-document.ts";
import { createDoor, isOwnPath } from "./door.ts";
import type { Tell } from "./event.ts";
import type { BrokerClient } from "./client.ts";
import { createIdps, type IdpSurroundings } from "./idp/idps.ts";
import { isLoopback } from "./redirect.ts";
import type { Resources } from "./resource.ts";
import { loadSeed, loadSigningKeys, publicKeys } from "./signing-keys.ts";
import { openRows } from "./store/open.ts";
import { createRecords } from "./store/records.ts";
import { createStore } from "./store/store.ts";
import { startUptime } from "./store/uptime.ts";
import { createVault, type Vault } from "./vault.ts";

export interface BrokerDeps extends IdpSurroundings {
  /** Asked on every request. */
  readonly resources: Resources;
  readonly clients: readonly BrokerClient[];
  /** RFC 9449, offered only when the gateway enforces it. */
  readonly dpop: boolean;
  /** Told of everything that an operator may be asked about later. */
  readonly tell: Tell;
  /** Told of each grant that ended before its time, in whichever process; of some more than once. */
  readonly onGrantEnded: (grantId: string) => void;
  /** Whose request it is, be it through a proxy. Asked on every request. */
  readonly addressOf: (request: IncomingMessage) => string | undefined;
  /** How documents of clients are reached; absent: by this machine's resolver and authorities. */
  readonly documents?: DocumentDeps;
}

/** An authorization server of its own (RFC 6749, 7591, 8414, 8693, 8707, 9068, 9207). */
export interface Broker {
  /**
   * undefined: it has no listener of its own.
   *
   * @throws the listener's error, e.g. `EADDRINUSE`.
   */
  readonly listen: () => Promise<{ readonly port: number } | undefined>;
  /** Ends the listener and every open connection. */
  readonly close: () => Promise<void>;
  /** The same server without a listener, for one that already exists. */
  readonly handler: RequestListener;
  /** Whether a path of that server is the broker's. */
  readonly owns: (path: string) => boolean;
  /** What `/jwks.json` says. */
  readonly jwks: () => string;
  /** The tokens of identity providers. */
  readonly vault: Vault;
}

const rotationCheckMs = 300_000;

/**
 * Builds the authorization server and opens its store.
 *
 * @throws ConfigError `broker_not_loopback` when the development login could be reached from
 *   another machine: whoever reaches it is logged in; `broker_store_unavailable`.
 */
export async function createBroker(
  config: BrokerConfig,
  deps: BrokerDeps,
  ports: Ports,
): Promise<Broker> {
  if (config.upstream.kind === "dev") assertLoopback(config);
  const { issuer } = config;
  const { now, log } = ports;
  const records = createRecords(await openStore(config.store, ports), now);
  const uptime = config.store.kind === "memory" ? undefined : await startUptime(records, now);
  const store = createStore(records, now, uptime?.now);
  const unfollow = await store.ended.follow(deps.onGrantEnded);
  const idps = createIdps(config, deps, ports);
  const vault = createVault({ idps, unasked: unaskedOf(config), store, tell: deps.tell, now });
  const { dynamic, documents, clients: registered } = config.registration;
  const parts: AssemblyDeps = {
    ...deps,
    config,
    store,
    idps,
    vault,
    now,
    log,
    cookieKey: await loadSeed(records, "cookie", now),
    csrfKey: await loadSeed(records, "csrf", now),
    documents:
      documents.hosts.length === 0
        ? undefined
        : createClientDocuments(
            { ...documents, redirects: config.redirects, addressOf: deps.addressOf },
            deps.documents ?? { lookup, ca: undefined },
            ports,
          ),
  };
  let current = assemble(parts, await loadSigningKeys(records, now));
  // Another replica may have rotated, or it is our turn.
  const rotate = async (): Promise<void> => {
    try {
      const keys = await loadSigningKeys(records, now);
      if (keys.all[1]?.kid !== current.keys.all[1]?.kid) current = assemble(parts, keys);
    } catch (error) {
      log.error("broker_keys_unavailable", {}, error);
    }
  };
  const rotation = setInterval(() => {
    void rotate();
  }, rotationCheckMs);
  rotation.unref();
  const withSecret = [...registered.values()].filter(({ secret }) => secret !== undefined);
  const handler = createDoor(
    {
      issuer,
      resources: deps.resources,
      registered: new Set(withSecret.map(({ id }) => id)),
      redirects: dynamic === "open" ? config.redirects : undefined,
      parts: () => current,
      tell: deps.tell,
      addressOf: deps.addressOf,
    },
    ports,
  );
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, handler);

  return {
    handler,
    owns: isOwnPath,
    jwks: () => publicKeys(current.keys),
    vault,
    async listen() {
      const { listen } = config;
      if (listen === undefined) return undefined;
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(listen.port, listen.host, () => {
          server.off("error", reject);
          resolve();
        });
      });
      return { port: (server.address() as AddressInfo).port };
    },
    async close() {
      clearInterval(rotation);
      unfollow();
      uptime?.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await records.close();
    },
  };
}

function unaskedOf({ upstream }: BrokerConfig): ReadonlySet<string> {
  const idps = upstream.kind === "idps" ? upstream.idps : [];
  return new Set(idps.flatMap(({ name, onRefresh }) => (onRefresh === "skip" ? [name] : [])));
}

/** @throws ConfigError `broker_store_unavailable` */
async function openStore(config: BrokerStoreConfig, ports: Ports): ReturnType<typeof openRows> {
  return openRows(config, ports).catch((cause: unknown) => {
    throw new ConfigError(
      [
        {
          severity: "error",
          code: "broker_store_unavailable",
          message: `broker.store cannot be opened: ${cause instanceof Error ? escapeText(cause.message) : "unknown"}`,
          position: undefined,
          help: config.kind === "lmdb" ? "may the process write to its directory?" : undefined,
        },
      ],
      { cause },
    );
  });
}

function assertLoopback({ issuer, listen }: BrokerConfig): void {
  const url = URL.parse(issuer);
  const issuerFits = url?.protocol === "http:" && url.origin === issuer && isLoopback(url.hostname);
  const host = listen?.host ?? "localhost";
  const wrong = [
    ...(issuerFits
      ? []
      : [`broker.issuer ${escapeText(issuer)} is not an http origin on loopback`]),
    ...(isLoopback(host) ? [] : [`broker.listen ${escapeText(host)} is not loopback`]),
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
