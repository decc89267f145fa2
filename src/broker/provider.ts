import { randomBytes } from "node:crypto";
import { InvalidScope, InvalidTarget } from "oidc-provider/lib/helpers/errors.js";
import { base, Check, Prompt } from "oidc-provider/lib/helpers/interaction_policy/index.js";
import { Provider, type Client, type Context } from "oidc-provider/lib/provider.js";
import { isJsonObject } from "../base/json.ts";
import { clientMetadata, type BrokerClient } from "./client.ts";
import type { Account } from "./login.ts";
import { errorPage, pageHeaders } from "./page.ts";
import { findResource, onlyResource, ownScopes, type Resources } from "./resource.ts";
import type { Store } from "./store.ts";
import { accessTokenSeconds, type SigningKey } from "./token.ts";

export interface ProviderDeps {
  readonly issuer: string;
  readonly key: SigningKey;
  readonly clients: readonly BrokerClient[];
  readonly resources: Resources;
  readonly accountOf: (sub: string) => Account | undefined;
  readonly store: Store;
}

const day = 86_400;

/** oidc-provider with everything off that the broker does not promise. */
export function createProvider(deps: ProviderDeps): Provider {
  const { issuer, resources, accountOf, store } = deps;
  const provider = new Provider(issuer, {
    adapter: (model: string) => store.adapter(model),
    clients: deps.clients.map(clientMetadata),
    jwks: { keys: [deps.key.privateJwk] },
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
      jwks: "/jwks.json",
    },
    discovery: { client_id_metadata_document_supported: false },
    cookies: cookies(issuer),
    pkce: { required: () => true },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: 90 * day,
      IdToken: accessTokenSeconds,
      Interaction: 600,
      RefreshToken: 14 * day,
      Session: day / 3,
    },
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx: Context, client: Client) =>
      client.grantTypeAllowed("refresh_token"),
    // Tokens outlive the browser's session with us; they end by their own lifetimes.
    expiresWithSession: async () => false,
    // The CORS headers are the door's business, and the same for every client.
    clientBasedCORS: () => true,
    findAccount: async (_ctx: Context, sub: string) => {
      const account = accountOf(sub);
      return account && { accountId: sub, claims: () => ({ ...account.claims, sub }) };
    },
    extraTokenClaims: async (_ctx: Context, token: { accountId?: string }) => ({
      ...accountOf(token.accountId ?? "")?.claims,
    }),
    interactions: {
      policy: policy(),
      url: (_ctx: Context, { uid }: { uid: string }) => `/interaction/${uid}`,
    },
    renderError: async (ctx: Context, out: { error: string; error_description?: string }) => {
      if (ctx.status < 400) ctx.status = 400;
      ctx.set(pageHeaders);
      ctx.body = errorPage(out.error, out.error_description ?? "The request was refused.");
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      registration: { enabled: true, issueRegistrationAccessToken: false },
      revocation: {
        enabled: true,
        allowedPolicy: async (_ctx: Context, client: Client, token: { clientId: string }) =>
          token.clientId === client.clientId,
      },
      resourceIndicators: { enabled: true, ...resourceIndicators(resources) },
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    completeMetadata(ctx, resources);
  });
  // Runs before oidc-provider decides between a redirect and the error page. Registration is open,
  // so until a person approved a client its redirect URI is anybody's: no error goes there
  // (RFC 9700 §4.11). Saying no on the consent page is an answer that the person sends.
  provider.on("authorization.error", ({ oidc }, error) => {
    const [clientId, redirectUri] = [oidc.params?.["client_id"], oidc.params?.["redirect_uri"]];
    const denied = oidc.route === "resume" && error.message === "access_denied";
    if (denied || typeof clientId !== "string" || typeof redirectUri !== "string") return;
    if (!store.approved(clientId, redirectUri)) error.allow_redirect = false;
  });
  return provider;
}

/** Cookies ignore ports, so two brokers on localhost must not share names. */
function cookies(issuer: string): object {
  const prefix = `tollgate_${new URL(issuer).port || "80"}`;
  const options = { httpOnly: true, sameSite: "lax", signed: true };
  return {
    keys: [randomBytes(32).toString("base64url")],
    names: {
      session: `${prefix}_session`,
      interaction: `${prefix}_interaction`,
      resume: `${prefix}_resume`,
    },
    long: options,
    short: options,
  };
}

/**
 * Login when there is no session; consent at every authorization, whatever was allowed before. The
 * stock consent prompt is content with the grant of an earlier one (confused deputy).
 */
function policy(): Prompt[] {
  const prompts = base();
  prompts.remove("consent");
  const undecided = ({ oidc }: Context): boolean => oidc.result?.consent?.grantId === undefined;
  prompts.add(
    new Prompt(
      { name: "consent", requestable: true },
      new Check("undecided", "the person has not decided yet", "consent_required", undecided),
    ),
  );
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
