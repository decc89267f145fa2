import { type CheckIdToken, createCheckIdToken } from "../auth/id-token.ts";
import type { Ports } from "../base/ports.ts";
import { createSealer } from "../base/seal.ts";
import type { Config } from "../config/config.ts";
import { type Connect, createConnect, linkTo } from "../upstream/credential/connect.ts";
import { type ConnectionParts, requestTokenOf } from "../upstream/credential/credential.ts";
import { createRevoke } from "../upstream/credential/revoke.ts";
import { createTickets } from "../upstream/credential/ticket.ts";
import { createVault } from "../upstream/credential/vault.ts";
import type { Lasting } from "./lasting.ts";

/** One configuration's connections: for the credentials and the pages. */
export interface Connections extends ConnectionParts {
  readonly connect: Connect;
  /** Encrypts with the current key what an older one encrypted. */
  readonly rekey: () => Promise<void>;
}

/**
 * Whether the gateway can prove itself where people log in. The clients of the providers are looked at
 * with the credentials that use them.
 *
 * @throws ConfigError `invalid_client_key`
 */
export function checkLogin({ connections, clients }: Config, lasting: Lasting, ports: Ports): void {
  const client = clients.get(connections?.login.client ?? "");
  if (client !== undefined) requestTokenOf(client, lasting, ports);
}

/** undefined: gateway.yaml has none. */
export function compileConnections(
  config: Config,
  lasting: Lasting,
  ports: Ports,
): Connections | undefined {
  const { connections, clients, server, auth } = config;
  if (connections === undefined || auth.mode === "none") return undefined;
  const { store, inTurn, ownKey, refused } = lasting.kept;
  const keys = connections.keys.length > 0 ? connections.keys : [ownKey];
  const vault = createVault({ store, inTurn }, createSealer(keys, "vault"), ports.log);
  const tickets = createTickets({ store, sealer: createSealer(keys, "ticket") }, ports.now);
  const origin = server.url;
  const checkIdToken: CheckIdToken = createCheckIdToken(auth.issuers, lasting.keys, ports);
  const loginIssuer = clients.get(connections.login.client)?.issuer;
  const isOwn = loginIssuer !== undefined && loginIssuer === config.broker?.issuer;
  return {
    vault,
    refused,
    providers: connections.providers,
    linkFor: (principal, provider) => linkTo({ origin, tickets }, principal, provider),
    connect: createConnect(
      {
        config: connections,
        origin,
        // The embedded broker issues nothing for no resource in particular.
        loginResource: isOwn ? config.endpoints[0]?.resource : undefined,
        clients,
        requestTokenOf: (client) => requestTokenOf(client, lasting, ports),
        revokeAt: (client) => createRevoke(client, lasting, ports),
        checkIdToken,
        metadata: lasting.metadata,
        tickets,
        vault,
        tokens: lasting.tokens,
      },
      ports,
    ),
    async rekey() {
      try {
        const rows = await vault.rekey();
        if (rows > 0) ports.log.info("vault_rekeyed", { rows });
      } catch (cause) {
        // The old key still opens what is left.
        ports.log.error("vault_rekey_failed", {}, cause);
      }
    },
  };
}
