import { AuthError, CallError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import type { Principal } from "../../base/principal.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import { checkActors } from "./actors.ts";
import type { Credential } from "./credential-parts.ts";
import { bearerOf, type Grant, toGrant } from "./grant.ts";
import { readJwtClaims } from "./jwt-claims.ts";
import type { ReadLogin } from "./login.ts";
import { type TokenDeps, tokenKey, unlessCancelled } from "./token-cache.ts";
import { targetParameters, type TokenReply } from "./token-endpoint.ts";
import { explainFailure, TokenFailure, wantsPerson } from "./token-failure.ts";

const grantTypes = {
  "token-exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
  "jwt-bearer": "urn:ietf:params:oauth:grant-type:jwt-bearer",
} as const;
const accessTokenType = "urn:ietf:params:oauth:token-type:access_token";
/** What may come when no type was asked for. */
const commonTypes = [accessTokenType, "urn:ietf:params:oauth:token-type:jwt"];
/** How long a person is not sent to log in a second time, when the first did not help. */
const toldMs = 10 * 60_000;
export type ExchangeConfig = Extract<CredentialConfig, { kind: "exchange" }>;

export interface ExchangeDeps extends TokenDeps {
  /** Scopes of callers' tokens. */
  readonly inbound: {
    /** Those that the gateway names to clients. */
    readonly offered: ReadonlySet<string>;
    /** Those that the tool needs beyond the baseline: a challenge names them all. */
    readonly needed: readonly string[];
  };
  readonly readLogin: ReadLogin;
  /** A token of the gateway's own, when the new token shall say who acts. */
  readonly self: Credential | undefined;
  /** The answer is an assertion for another server, which gives the token. */
  readonly redeem: Redeem | undefined;
}

interface Redeem {
  /** Of the other server and the client there. */
  readonly place: readonly (string | null)[];
  readonly run: (assertion: string) => Promise<TokenReply>;
}

/** The caller's token becomes one for this API, this person and these scopes only. */
export function createExchange(
  api: string,
  config: ExchangeConfig,
  deps: ExchangeDeps,
  ports: Ports,
): Credential {
  const { client, requestToken, tokens } = deps;
  const { now } = ports;
  const grantType = grantTypes[config.grant];
  const fixed = [...config.parameters, ...targetParameters(config)];
  const { redeem } = deps;
  const place = [
    api,
    client.issuer,
    client.tokenUrl ?? null,
    client.id,
    ...(redeem === undefined ? [] : redeem.place),
  ];
  // The hash has a fixed length, so with the subject token's hash behind it the key stays unambiguous.
  const prefix = tokenKey([
    ...place,
    grantType,
    config.resource,
    config.audience,
    config.scope.toSorted(),
    [...config.parameters].flat(),
    config.subjectTokenType,
    config.requestedTokenType ?? null,
    config.actor,
    // Of two configurations, before and after a reload: what came from another token, or was not looked
    // at, does not serve.
    config.subject,
    config.verifyAudience,
  ]);
  const keyOf = (principal: Principal) => `${prefix}.${principal.tokenHash}`;
  /** By this client at this API: after a new login the token is another one, the person is not. */
  const personOf = ({ iss, sub, clientId }: Principal) =>
    tokenKey([...place, iss, sub, clientId ?? null]);

  async function request(principal: Principal, subjectToken: string): Promise<Grant> {
    const requestedAt = now();
    const subject = await subjectParameters(principal, subjectToken);
    const reply = await requestToken(grantType, [...subject, ...fixed]);
    refuseUnasked(reply, { ...config, subjectToken });
    const last = redeem === undefined ? reply : await redeem.run(reply.accessToken);
    if (last !== reply) {
      refuseEcho(last, [subjectToken, reply.accessToken]);
      refuseWider(last, config);
    }
    tokens.told.delete(personOf(principal));
    return toGrant(last, requestedAt, principal, config.cache.maxMs);
  }

  /** RFC 8693 §2.1, or RFC 7523 §2.1. */
  async function subjectParameters(
    principal: Principal,
    subjectToken: string,
  ): Promise<readonly Parameter[]> {
    if (config.grant === "jwt-bearer") return [["assertion", subjectToken]];
    const actor = await deps.self?.get(principal, undefined);
    const { requestedTokenType: type } = config;
    return [
      ["subject_token", subjectToken],
      ["subject_token_type", config.subjectTokenType],
      ...(type === undefined ? [] : [["requested_token_type", type] as const]),
      ...(actor === undefined
        ? []
        : [
            ["actor_token", bearerOf(actor)] as const,
            ["actor_token_type", accessTokenType] as const,
          ]),
    ];
  }

  async function subjectTokenOf(principal: Principal): Promise<string | undefined> {
    return config.subject === "login"
      ? (await deps.readLogin(principal)).accessToken
      : principal.token?.reveal();
  }

  async function obtain(principal: Principal): Promise<Grant["parts"]> {
    const subjectToken = await subjectTokenOf(principal);
    if (subjectToken === undefined) {
      throw new CallError(
        "credential_unavailable",
        `The API ${api} needs a token of the signed-in person, but this gateway runs without login (auth mode none).`,
      );
    }
    checkActors(principal, api);
    try {
      const grant = await tokens.obtain({
        key: keyOf(principal),
        api,
        client: client.name,
        holder: principal,
        request: () => request(principal, subjectToken),
        failureMs: config.cache.failureMs,
      });
      return grant.parts;
    } catch (error) {
      if (!(error instanceof TokenFailure)) throw error;
      if (error.code === "invalid_grant" && mayLogIn(principal, error))
        throw new AuthError("invalid_token", "exchange_refused", { cause: error });
      const stepUp = wantsPerson(error) ? (error.stepUp ?? config.stepUp) : undefined;
      if (stepUp !== undefined && mayLogIn(principal, error))
        throw new AuthError("insufficient_user_authentication", "step_up_required", {
          cause: error,
          stepUp,
        });
      const missing = error.code === "invalid_scope" ? missingScopes(principal) : [];
      if (missing.length > 0) {
        const scopes = [...deps.inbound.needed, ...missing];
        throw new AuthError("insufficient_scope", "exchange_scope_missing", {
          cause: error,
          scopes,
        });
      }
      throw explainFailure(api, error);
    }
  }

  /** What a step-up could bring: asked for here, offered to callers, and not on this one's token. */
  function missingScopes({ scopes }: Principal): readonly string[] {
    return config.scope.filter((scope) => deps.inbound.offered.has(scope) && !scopes.has(scope));
  }

  /** Everyone who waited for one request hears the same; after that, only another error is left. */
  function mayLogIn(principal: Principal, failure: TokenFailure): boolean {
    const person = personOf(principal);
    const before = tokens.told.get(person);
    if (before !== undefined) return before === failure;
    tokens.told.set(person, failure, Math.max(principal.expiresAt, now() + toldMs));
    return true;
  }

  return {
    get: (principal, signal) =>
      tokens.find(keyOf(principal))?.parts ?? unlessCancelled(obtain(principal), signal),
    invalidate: (principal, refused) =>
      tokens.refuse({ key: keyOf(principal), api, client: client.name }, refused) && config.retry,
  };
}

type Parameter = readonly [string, string];

/** An answer that is not what was asked for is a fault of the server or an attack, never a token. */
function refuseUnasked(
  reply: TokenReply,
  asked: ExchangeConfig & { readonly subjectToken: string },
): void {
  refuseEcho(reply, [asked.subjectToken]);
  refuseWider(reply, asked);
  const { issuedTokenType: type } = reply;
  const types = asked.requestedTokenType === undefined ? commonTypes : [asked.requestedTokenType];
  if (type !== undefined && !types.includes(type))
    throw new TokenFailure("wrong_issued_token_type");
  if (
    asked.verifyAudience &&
    isForOthers(reply.accessToken, [...asked.audience, ...asked.resource])
  )
    throw new TokenFailure("wrong_audience");
}

function refuseEcho({ accessToken }: TokenReply, sent: readonly string[]): void {
  if (sent.includes(accessToken)) throw new TokenFailure("exchange_echo");
}

/** Without a scope in the request the server's own default is what was asked for. */
function refuseWider({ scope: given }: TokenReply, asked: ExchangeConfig): void {
  if (asked.scope.length > 0 && given?.some((scope) => !mayHave(asked, scope)))
    throw new TokenFailure("scope_widened");
}

/** `api://orders/.default` is Entra's word for every scope of that application the person consented to. */
function mayHave({ scope: asked, addedScopes }: ExchangeConfig, scope: string): boolean {
  return (
    asked.includes(scope) ||
    addedScopes.includes(scope) ||
    asked.some((one) => one.endsWith("/.default") && scope.startsWith(one.slice(0, -8)))
  );
}

/** Only a JWT that names its audience can tell; the signature is the API's to check. */
function isForOthers(token: string, targets: readonly string[]): boolean {
  const aud = readJwtClaims(token)?.["aud"];
  if (aud === undefined || targets.length === 0) return false;
  const named: readonly JsonValue[] = Array.isArray(aud) ? aud : [aud];
  return !named.some((value) => typeof value === "string" && targets.includes(value));
}
