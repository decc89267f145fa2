import { InvalidScope, InvalidTarget } from "oidc-provider/lib/helpers/errors.js";
import { base, Check, Prompt } from "oidc-provider/lib/helpers/interaction_policy/index.js";
import {
  Provider,
  type Client,
  type Context,
  type ProviderError,
} from "oidc-provider/lib/provider.js";
import { isJsonObject } from "../base/json.ts";
import type { BrokerConfig } from "../config/types/broker.ts";
import { jwtBearer } from "./assertion-grant.ts";
import type { ClientDocuments } from "./client-document.ts";
import { clientMetadata, registeredMetadata, type BrokerClient } from "./client.ts";
import { cookiePrefix } from "./cookie.ts";
import { pageHeaders } from "../base/page.ts";
import { errorPage } from "./error-page.ts";
import { findResource, onlyResource, ownScopes, type Resources } from "./resource.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { Store } from "./store/store.ts";
import { accessTokenSeconds } from "./token.ts";

export interface ProviderDeps {
  readonly issuer: string;
  readonly keys: SigningKeys;
  /** Signs cookies; the same for all replicas. */
  readonly cookieKey: string;
  readonly clients: readonly BrokerClient[];
  readonly registered: BrokerConfig["registration"]["clients"];
  readonly resources: Resources;
  readonly store: Store;
  /** Absent: the login of development, whose people never leave. */
  readonly recheck: ((grantId: string) => Promise<boolean>) | undefined;
  /** When the grant ends at the identity provider, in ms since the epoch; undefined: nobody knows. */
  readonly endsAt: (grantId: string) => Promise<number | undefined>;
  /** Identity assertions are exchanged for tokens. */
  readonly assertions: boolean;
  /** RFC 7591. */
  readonly registration: boolean;
  readonly documents: ClientDocuments | undefined;
  /** RFC 9449, offered only when the gateway enforces it. */
  readonly dpop: boolean;
  readonly now: () => number;
}

const day = 86_400;

/** oidc-provider with everything off that the broker does not promise. */
export function createProvider(deps: ProviderDeps): Provider {
  const { issuer, resources, store } = deps;
  /** Of the grant that a request is about: oidc-provider asks for lifetimes in one breath. */
  const ends = new WeakMap<Context, number>();
  const provider = new Provider(issuer, {
    adapter: (model: string) => store.adapter(model),
    fetch: deps.documents?.fetch ?? refuseFetch,
    clients: [
      ...deps.clients.map(clientMetadata),
      ...[...deps.registered.values()].map((client) =>
        registeredMetadata(client, deps.assertions ? [jwtBearer] : []),
      ),
    ],
    // The first is the one that signs.
    jwks: { keys: deps.keys.all.map(({ privateJwk }) => privateJwk) },
    scopes: ownScopes,
    responseTypes: ["code"],
    clientAuthMethods: ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
    enabledJWA: {
      idTokenSigningAlgValues: ["ES256"],
      clientAuthSigningAlgValues: ["ES256", "PS256", "RS256", "EdDSA", "Ed25519"],
    },
    clientDefaults: {
      grant_types: ["authorization_code"],
      response_types: ["code"],
      response_modes: ["query", "form_post"],
      token_endpoint_auth_method: "client_secret_basic",
      id_token_signed_response_alg: "ES256",
    },
    routes: {
      authorization: "/authorize",
      token: "/token",
      registration: "/register",
      revocation: "/revoke",
      introspection: "/introspect",
      jwks: "/jwks.json",
    },
    discovery: { client_id_metadata_document_supported: deps.documents !== undefined },
    cookies: cookies(issuer, deps.cookieKey),
    pkce: { required: () => true },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: 90 * day,
      IdToken: accessTokenSeconds,
      Interaction: 600,
      // Not longer than what it stands on.
      RefreshToken: (ctx: Context) => {
        const leftMs = (ends.get(ctx) ?? Infinity) - deps.now();
        return Math.max(1, Math.min(14 * day, Math.floor(leftMs / 1000)));
      },
      Session: day / 3,
    },
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx: Context, client: Client) =>
      client.grantTypeAllowed("refresh_token"),
    // Tokens outlive the browser's session with us; they end by their own lifetimes.
    expiresWithSession: async () => false,
    // The CORS headers are the door's business, and the same for every client.
    clientBasedCORS: () => true,
    findAccount: async (ctx: Context, sub: string, token?: { grantId?: string }) => {
      // Before oidc-provider marks the refresh token as used, so that it can be tried again.
      const refresh = ctx.oidc.params?.["grant_type"] === "refresh_token";
      if (refresh && deps.recheck && !(await deps.recheck(token?.grantId ?? ""))) return undefined;
      const endsAt = token?.grantId === undefined ? undefined : await deps.endsAt(token.grantId);
      if (endsAt !== undefined) ends.set(ctx, endsAt);
      const account = await store.accountOf(sub);
      return account && { accountId: sub, claims: () => ({ ...account.claims, sub }) };
    },
    extraTokenClaims: async (
      _ctx: Context,
      token: { accountId?: string; grantId?: string },
    ): Promise<object> => {
      const account = await store.accountOf(token.accountId ?? "");
      return { ...account?.claims, ...(token.grantId && { sid: token.grantId }) };
    },
    interactions: {
      policy: policy(deps.recheck !== undefined),
      url: (_ctx: Context, { uid }: { uid: string }) => `/interaction/${uid}`,
    },
    renderError: async (ctx: Context, out: ShownError) => {
      renderError(ctx, out);
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: deps.dpop },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      registration: { enabled: deps.registration, issueRegistrationAccessToken: false },
      revocation: {
        enabled: true,
        allowedPolicy: async (_ctx: Context, client: Client, token: { clientId: string }) =>
          token.clientId === client.clientId,
      },
      // RFC 7662, for the gateway's own clients; what it says of access tokens is in metadata.ts.
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx: Context, client: Client) =>
          deps.clients.some(({ id }) => id === client.clientId),
      },
      ...(deps.documents && { clientIdMetadataDocument: deps.documents.feature }),
      resourceIndicators: { enabled: true, ...resourceIndicators(resources) },
    },
  });
  // Behind a proxy that ends TLS the door says what the issuer is.
  provider.proxy = issuer.startsWith("https:");
  guardErrors(provider, store);
  provider.use(async (ctx, next) => {
    await next();
    completeMetadata(ctx, resources);
  });
  return provider;
}

/** Nothing that a client registered is a reason to fetch anything. */
function refuseFetch(): Promise<Response> {
  return Promise.reject(new TypeError("the broker fetches nothing"));
}

/**
 * Registration is open, so until a person approved a client its redirect URI is anybody's: no error
 * goes there (RFC 9700 §4.11). Saying no on the consent page is an answer that the person sends.
 */
function guardErrors(provider: Provider, store: Store): void {
  const failed = new WeakMap<Context, ProviderError>();
  provider.on("authorization.error", (ctx, error) => {
    const denied = ctx.oidc.route === "resume" && error.message === "access_denied";
    if (!denied) failed.set(ctx, error);
  });
  provider.use(async (ctx, next) => {
    await next();
    const error = failed.get(ctx);
    if (error === undefined || error.allow_redirect === false) return;
    const { client_id: clientId, redirect_uri: redirectUri } = ctx.oidc.params ?? {};
    if (typeof clientId !== "string" || typeof redirectUri !== "string") return;
    if (await store.approved(clientId, redirectUri)) return;
    ctx.remove("location");
    ctx.status = 400;
    renderError(ctx, { error: error.message, error_description: error.error_description });
  });
}

interface ShownError {
  readonly error: string;
  readonly error_description?: string | undefined;
}

function renderError(ctx: Context, { error, error_description: description }: ShownError): void {
  if (ctx.status < 400) ctx.status = 400;
  ctx.set(pageHeaders);
  ctx.body = errorPage(error, description ?? "The request was refused.");
}

function cookies(issuer: string, key: string): object {
  const prefix = cookiePrefix(issuer);
  const secure = issuer.startsWith("https:");
  const options = { httpOnly: true, sameSite: "lax", signed: true, ...(secure && { secure }) };
  return {
    keys: [key],
    names: {
      session: `${secure ? "__Host-" : ""}${prefix}_session`,
      // Both are sent below one path only, which `__Host-` does not allow.
      interaction: `${secure ? "__Secure-" : ""}${prefix}_interaction`,
      resume: `${secure ? "__Secure-" : ""}${prefix}_resume`,
    },
    long: options,
    short: options,
  };
}

/**
 * Login when there is no session; consent at every authorization, whatever was allowed before. The
 * stock consent prompt is content with the grant of an earlier one (confused deputy).
 *
 * @param federated A session of ours does not stand in for the identity provider: every grant
 *   needs tokens of its own from there.
 */
function policy(federated: boolean): Prompt[] {
  const prompts = base();
  prompts.remove("consent");
  const undecided = ({ oidc }: Context): boolean => oidc.result?.consent?.grantId === undefined;
  prompts.add(
    new Prompt(
      { name: "consent", requestable: true },
      new Check("undecided", "the person has not decided yet", "consent_required", undecided),
    ),
  );
  if (federated) {
    const elsewhere = ({ oidc }: Context): boolean => oidc.result?.login === undefined;
    const why = "the person has to log in at their identity provider";
    prompts.get("login")?.checks.add(new Check("federated", why, "login_required", elsewhere));
  }
  return prompts;
}

/** RFC 8707: exactly one resource per authorization, and its tokens are for it alone. */
function resourceIndicators(resources: Resources): object {
  return {
    defaultResource: async () => {
      const only = onlyResource(resources());
      if (only) return only.resource;
      throw new InvalidTarget("resource is required, because there is more than one");
    },
    useGrantedResource: async () => true,
    getResourceServerInfo: async ({ oidc }: Context, indicator: string) => {
      if (Array.isArray(oidc.params?.["resource"])) {
        throw new InvalidTarget("only one resource may be asked for");
      }
      const found = findResource(resources(), indicator);
      if (found === undefined) throw new InvalidTarget("unknown resource");
      const scope = oidc.params?.["scope"];
      const known = new Set([...ownScopes, ...found.scopes]);
      if (
        oidc.route === "authorization" &&
        typeof scope === "string" &&
        !scope.split(" ").some((name) => known.has(name))
      ) {
        throw new InvalidScope("none of the requested scopes exists", scope);
      }
      return {
        scope: found.scopes.join(" "),
        audience: found.resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: accessTokenSeconds,
        jwt: { sign: { alg: "ES256" } },
      };
    },
  };
}

/** What oidc-provider's metadata cannot know: scopes that change with a reload. */
function completeMetadata(ctx: Context, resources: Resources): void {
  if (!ctx.path.startsWith("/.well-known/") || !isJsonObject(ctx.body)) return;
  ctx.body = {
    ...ctx.body,
    scopes_supported: [...new Set([...ownScopes, ...resources().flatMap(({ scopes }) => scopes)])],
    response_modes_supported: ["query", "form_post"],
  };
}
