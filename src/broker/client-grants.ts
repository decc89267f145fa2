import {
  InvalidGrant,
  InvalidRequest,
  InvalidScope,
  InvalidTarget,
} from "oidc-provider/lib/helpers/errors.js";
import type { Context, Params, Provider } from "oidc-provider/lib/provider.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { clientCredentials, tokenExchange, type BrokerClient } from "./client.ts";
import type { Resources } from "./resource.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { Store } from "./store/store.ts";
import {
  accessTokenSeconds,
  signAccessToken,
  verifyAccessToken,
  type TokenContent,
  type VerifiedToken,
} from "./token.ts";

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token";
const maxSubjectToken = 8 * 1024;
const maxActors = 5;

export interface ClientGrantDeps {
  readonly issuer: string;
  readonly keys: SigningKeys;
  readonly clients: readonly BrokerClient[];
  readonly resources: Resources;
  readonly store: Pick<Store, "grantExists">;
  readonly now: () => number;
}

/** The two grants of the gateway's own clients; both end in a token for exactly one API. */
export function registerClientGrants(provider: Provider, deps: ClientGrantDeps): void {
  const sign = (content: TokenContent): Promise<string> =>
    signAccessToken(content, { issuer: deps.issuer, keys: deps.keys, nowMs: deps.now() });

  const clientOf = (ctx: Context): BrokerClient => {
    const client = deps.clients.find(({ id }) => id === ctx.oidc.client?.clientId);
    if (client) return client;
    throw new InvalidRequest("requested grant type is not allowed for this client");
  };

  /** RFC 8693 §2. Always delegation: `act` names the gateway as the one who acts. */
  const exchange = async (ctx: Context): Promise<void> => {
    const [client, params] = [clientOf(ctx), ctx.oidc.params ?? {}];
    const token = readExchange(params);
    const [audience, scope] = [oneAudience(client, params), allowedScope(client, params)];
    const subject = await verify(token);
    const { act: earlier, ...claims } = subject.claims;
    const act = actor(client.id, earlier);
    const content = { sub: subject.sub, audience, clientId: client.id, scope };
    answerToken(ctx, await sign({ ...content, claims: { ...claims, act } }), scope);
    ctx.body = { ...(ctx.body as JsonObject), issued_token_type: accessTokenType };
  };

  const verify = async (token: string): Promise<VerifiedToken> => {
    const audiences = deps.resources().map(({ resource }) => resource);
    const against = { issuer: deps.issuer, keys: deps.keys, nowMs: deps.now() };
    const verified = await verifyAccessToken(token, audiences, against).catch((error: unknown) => {
      // RFC 8693 §2.2.2 has invalid_request here, which says nothing to do; invalid_grant (RFC 6749
      // §5.2) is what most servers answer and lets the gateway send the person to log in again.
      const reason = error instanceof Error && "code" in error ? String(error.code) : "unknown";
      throw new InvalidGrant(`subject_token is not acceptable: ${reason}`);
    });
    const grantId = verified.payload["sid"];
    if (typeof grantId === "string" && !(await deps.store.grantExists(grantId)))
      throw new InvalidGrant("subject_token is not acceptable: its grant has ended");
    return verified;
  };

  /** RFC 6749 §4.4, for calls that no person stands behind. */
  const machine = async (ctx: Context): Promise<void> => {
    const [client, params] = [clientOf(ctx), ctx.oidc.params ?? {}];
    const [audience, scope] = [oneAudience(client, params), allowedScope(client, params)];
    const content = { sub: client.id, audience, clientId: client.id, scope, claims: {} };
    answerToken(ctx, await sign(content), scope);
  };

  const targets = ["audience", "resource"];
  const subject = ["subject_token", "subject_token_type", "requested_token_type"];
  const actors = ["actor_token", "actor_token_type"];
  const asked = [...subject, ...actors, ...targets, "scope"];
  provider.registerGrantType(tokenExchange, exchange, asked, targets);
  provider.registerGrantType(clientCredentials, machine, [...targets, "scope"], targets);
}

/** RFC 8693 §2.1. */
function readExchange(params: Params): string {
  const token = params["subject_token"];
  if (typeof token !== "string" || token === "") {
    throw new InvalidRequest("subject_token is required");
  }
  if (token.length > maxSubjectToken) throw new InvalidRequest("subject_token is too long");
  if (params["subject_token_type"] !== accessTokenType) {
    throw new InvalidRequest(`subject_token_type must be ${accessTokenType}`);
  }
  if (![undefined, accessTokenType].includes(params["requested_token_type"] as string)) {
    throw new InvalidRequest(`requested_token_type must be ${accessTokenType}`);
  }
  if (params["actor_token"] !== undefined || params["actor_token_type"] !== undefined) {
    throw new InvalidRequest("actor tokens are not supported");
  }
  return token;
}

/** `audience` and `resource` both name targets; a token has exactly one (RFC 8707 §2.2). */
function oneAudience(client: BrokerClient, params: Params): string {
  const [first, ...more] = new Set(
    [params["audience"], params["resource"]].flat().filter((target) => target !== undefined),
  );
  if (first === undefined) throw new InvalidTarget("no audience or resource given");
  if (more.length > 0) throw new InvalidTarget("more than one audience given");
  if (!client.audiences.includes(first)) throw new InvalidTarget("not an audience of this client");
  return first;
}

function allowedScope(client: BrokerClient, params: Params): string | undefined {
  const scope = params["scope"];
  if (typeof scope !== "string" || scope === "") return undefined;
  const wanted = [...new Set(scope.split(" "))];
  const refused = wanted.filter((name) => !client.scopes.includes(name));
  if (refused.length > 0) {
    throw new InvalidScope("requested scope is not allowed for this client", refused.join(" "));
  }
  return wanted.join(" ");
}

/** RFC 8693 §4.1: the newest actor outside, earlier ones nested in it. */
function actor(clientId: string, earlier: JsonValue | undefined): JsonObject {
  let depth = 1;
  for (let at = earlier; isJsonObject(at); at = at["act"]) depth += 1;
  if (depth > maxActors) throw new InvalidGrant("too many actors");
  return { sub: clientId, ...(earlier === undefined ? {} : { act: earlier }) };
}

/** RFC 6749 §5.1. */
export function answerToken(ctx: Context, token: string, scope: string | undefined): void {
  ctx.body = {
    access_token: token,
    token_type: "Bearer",
    expires_in: accessTokenSeconds,
    ...(scope === undefined ? {} : { scope }),
  };
}
