import type { Context, Provider } from "oidc-provider/lib/provider.js";
import { CustomOIDCProviderError } from "oidc-provider/lib/helpers/errors.js";
import type { Log } from "../base/ports.ts";
import { escapeText } from "../base/text.ts";
import type { BrokerConfig } from "../config/types/broker.ts";
import { registerAssertionGrant } from "./assertion-grant.ts";
import type { BrokerClient } from "./client.ts";
import type { ClientDocuments } from "./client-document.ts";
import { registerClientGrants } from "./client-grants.ts";
import { createOwnCookies } from "./cookie.ts";
import { devLogin } from "./dev-login.ts";
import { createDevSteps } from "./dev-steps.ts";
import type { DoorParts } from "./door.ts";
import type { BrokerEvent, Tell } from "./event.ts";
import { createFederation } from "./federated-steps.ts";
import { IdpError, type Idp } from "./idp/idp.ts";
import { callbackPath } from "./idp/idps.ts";
import { createInteractions } from "./interaction.ts";
import { createProvider } from "./provider.ts";
import type { Resources } from "./resource.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { Store } from "./store/store.ts";
import { answerForTokens } from "./token-status.ts";
import type { Vault } from "./vault.ts";

export interface AssemblyDeps {
  readonly config: BrokerConfig;
  readonly resources: Resources;
  readonly clients: readonly BrokerClient[];
  readonly dpop: boolean;
  readonly store: Store;
  readonly idps: readonly Idp[];
  readonly vault: Vault;
  readonly documents: ClientDocuments | undefined;
  readonly fetch: typeof fetch;
  readonly cookieKey: string;
  readonly csrfKey: string;
  readonly tell: Tell;
  readonly now: () => number;
  readonly log: Log;
}

export interface Assembly extends DoorParts {
  readonly keys: SigningKeys;
}

/** oidc-provider with everything around it, for one set of keys: it takes them at its birth. */
export function assemble(deps: AssemblyDeps, keys: SigningKeys): Assembly {
  const { config, store, resources, clients, tell, now } = deps;
  const { issuer, upstream, registration } = config;
  const federated = upstream.kind === "idps";
  const provider = createProvider({
    ...deps,
    issuer,
    keys,
    registered: registration.clients,
    registration: registration.dynamic === "open",
    assertions: config.assertionIssuers.length > 0,
    endsAt: deps.vault.endsAt,
    recheck: federated ? createRecheck(deps) : undefined,
  });
  registerClientGrants(provider, { issuer, keys, clients, resources, store, now });
  if (config.assertionIssuers.length > 0)
    registerAssertionGrant(provider, { ...deps, keys, records: store.records });
  answerForTokens(provider, { issuer, keys, resources, store, tell, now });
  tellEvents(provider, deps);
  const federation = createFederation({
    ...deps,
    provider,
    cookies: createOwnCookies(issuer),
    remember: config.consent === "remember",
  });
  const steps = federated
    ? federation.steps
    : createDevSteps({ provider, login: devLogin, resources, store, tell });
  const { csrfKey } = deps;
  return {
    keys,
    provider: provider.callback(),
    interactions: createInteractions({ provider, issuer, csrfKey, steps }),
    callbacks: new Map(
      deps.idps.map(({ name }) => [
        callbackPath(name, deps.idps.length),
        (req, res) => federation.callback(req, res, name),
      ]),
    ),
  };
}

/** At a refresh: does the person still exist and may they enter? What they may not ends the grant. */
function createRecheck({ vault, tell }: AssemblyDeps): (grantId: string) => Promise<boolean> {
  return async (grantId) => {
    try {
      await vault.check(grantId);
      return true;
    } catch (error) {
      if (!(error instanceof IdpError)) throw error;
      const { code: reason, detail } = error;
      const about = { sub: undefined, clientId: undefined, detail };
      if (reason === "gone" || reason === "not_allowed") {
        tell({ event: "broker.refresh", outcome: "denied", reason, ...about });
        return false;
      }
      tell({ event: "broker.refresh", outcome: "failure", reason, ...about });
      // Not the client's fault, and its refresh token is as good as before.
      const later = new CustomOIDCProviderError("temporarily_unavailable", "try again later");
      later.status = 503;
      later.statusCode = 503;
      throw later;
    }
  };
}

const refusals = {
  "authorization.error": "authorize",
  "grant.error": "token",
  "registration_create.error": "register",
  "revocation.error": "revoke",
  "introspection.error": "introspect",
} as const;

/** What oidc-provider did; of a refusal the detail too, which the client is not told (RFC 6749 §5.2 has one text for all). */
function tellEvents(provider: Provider, { tell, log }: AssemblyDeps): void {
  for (const [event, endpoint] of Object.entries(refusals)) {
    provider.on(event, (ctx, error) => {
      const detail = error.error_detail ?? error.error_description ?? "";
      const clientId = ctx.oidc.client?.clientId ?? "";
      log.info("broker_refused", {
        endpoint,
        error: escapeText(error.message),
        detail: escapeText(detail),
        client: escapeText(clientId),
      });
      const reason = escapeText(error.message, 64);
      tell(
        eventOf(ctx, {
          event: "broker.refuse",
          outcome: "denied",
          reason,
          detail: `${endpoint}: ${detail}`,
        }),
      );
    });
  }
  provider.on("registration_create.success", (ctx) => {
    tell(eventOf(ctx, { event: "broker.register", outcome: "success" }));
  });
  provider.on("grant.success", (ctx) => {
    const grant = String(ctx.oidc.params?.["grant_type"]);
    tell(eventOf(ctx, { event: eventOfGrant[grant] ?? "broker.exchange", outcome: "success" }));
  });
  provider.on("grant.revoked", (ctx) => {
    tell(eventOf(ctx, { event: "broker.revoke", outcome: "success" }));
  });
  provider.on("server_error", (_ctx, error) => log.error("broker_failed", {}, error));
  provider.on("error", (error) => log.error("broker_failed", {}, error));
}

const eventOfGrant: Readonly<Record<string, BrokerEvent["event"]>> = {
  authorization_code: "broker.token",
  refresh_token: "broker.refresh",
};

function eventOf(
  { oidc }: Context,
  event: Pick<BrokerEvent, "event" | "outcome"> & Partial<BrokerEvent>,
): BrokerEvent {
  return {
    reason: undefined,
    detail: undefined,
    sub: oidc.account?.accountId,
    clientId: oidc.client?.clientId,
    ...event,
  };
}
