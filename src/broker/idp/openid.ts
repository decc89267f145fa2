import { createHash } from "node:crypto";
import * as oauth from "oauth4webapi";
import type { JsonObject } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import type { IdpConfig } from "../../config/types/broker.ts";
import { isLoopback } from "../redirect.ts";
import { IdpError, type Attempt, type Entrant, type Idp, type UpstreamTokens } from "./idp.ts";
import { createIdpFetch, type Fetch } from "./idp-fetch.ts";
import { readPerson, valueAt } from "./person.ts";

export interface IdpDeps {
  readonly config: IdpConfig;
  readonly redirectUri: string;
  readonly auth: oauth.ClientAuth;
  readonly fetch: Fetch;
  readonly now: () => number;
}

const metadataKeptFor = 3_600_000;
const hashOf: Readonly<Record<string, string>> = { 256: "sha256", 384: "sha384", 512: "sha512" };

/** OpenID Connect Core 1.0 with discovery: code, PKCE, state and nonce. */
export function createOpenIdProvider(deps: IdpDeps): Idp {
  const { config, redirectUri, auth, now } = deps;
  const client: oauth.Client = { client_id: config.client.id, [oauth.clockTolerance]: 30 };
  const issuer = new URL(config.client.issuer);
  const send = createIdpFetch(deps.fetch, config.tokenRequest);
  const options = {
    [oauth.customFetch]: (url: string, init: Parameters<typeof send>[1]) => send(url, init),
    [oauth.allowInsecureRequests]: issuer.protocol === "http:" && isLoopback(issuer.hostname),
  };
  const metadata = createMetadata(async () => {
    const response = await oauth.discoveryRequest(issuer, { ...options, algorithm: "oidc" });
    const found = await oauth.processDiscoveryResponse(issuer, response);
    checkHosts(config, found);
    return found;
  }, now);

  /** Every signature is checked: the token came through the network like everything else. */
  const readTokens = async (
    as: oauth.AuthorizationServer,
    response: Response,
    answer: oauth.TokenEndpointResponse,
  ): Promise<JsonObject> => {
    const claims = oauth.getValidatedIdTokenClaims(answer);
    if (claims === undefined) return {};
    await oauth.validateApplicationLevelSignature(as, response, options);
    checkAccessTokenHash(answer, claims);
    return claims as JsonObject;
  };

  const askUser = async (
    as: oauth.AuthorizationServer,
    accessToken: string,
    subject: string | undefined,
  ): Promise<JsonObject> => {
    if (as.userinfo_endpoint === undefined) return {};
    const response = await oauth.userInfoRequest(as, client, accessToken, options);
    const expected = subject ?? oauth.skipSubjectCheck;
    return (await oauth.processUserInfoResponse(as, client, expected, response)) as JsonObject;
  };

  return {
    name: config.name,
    title: config.title,
    start: (attempt) =>
      translated(async () => {
        const as = await metadata();
        if (as.authorization_endpoint === undefined)
          throw new IdpError("idp_answer_invalid", "the metadata names no authorization endpoint");
        return authorizationUrl(as.authorization_endpoint, { config, redirectUri, attempt });
      }),

    finish: (answer, attempt) =>
      translated(async (): Promise<Entrant> => {
        const as = await metadata();
        // RFC 9207: before the code goes anywhere.
        const params = oauth.validateAuthResponse(as, client, answer, attempt.state);
        const response = await oauth.authorizationCodeGrantRequest(
          as,
          client,
          auth,
          params,
          redirectUri,
          attempt.verifier,
          options,
        );
        const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
          expectedNonce: attempt.nonce,
          requireIdToken: true,
        });
        const claims = await readTokens(as, response, tokens);
        const sub = textOf(claims["sub"]);
        const more = lacks(config, claims) ? await askUser(as, tokens.access_token, sub) : {};
        return {
          account: readPerson(config, { ...more, ...claims }),
          tokens: keptTokens(tokens, undefined, now),
        };
      }),

    verify: (kept, sub) =>
      translated(async (): Promise<Entrant> => {
        const as = await metadata();
        const { tokens, claims } = await renew(as, kept);
        // The ID token of a refresh may be the old one again; the userinfo answer is of now.
        const said = await askUser(as, tokens.accessToken, textOf(claims["sub"]));
        const account = readPerson(config, { ...claims, ...said });
        if (account.sub !== sub) throw new IdpError("gone", "the tokens are somebody else's now");
        return { account, tokens };
      }),
  };

  async function renew(
    as: oauth.AuthorizationServer,
    kept: UpstreamTokens,
  ): Promise<{ readonly tokens: UpstreamTokens; readonly claims: JsonObject }> {
    const { refreshToken } = kept;
    if (refreshToken === undefined) {
      if (kept.expiresAt !== undefined && kept.expiresAt <= now())
        throw new IdpError("gone", "the provider gave no refresh token and its token ended");
      return { tokens: kept, claims: {} };
    }
    const response = await oauth.refreshTokenGrantRequest(as, client, auth, refreshToken, options);
    const answer = await oauth.processRefreshTokenResponse(as, client, response);
    const claims = await readTokens(as, response, answer);
    return { tokens: keptTokens(answer, kept, now), claims };
  }
}

/** An OpenID provider may say everything in the ID token, or next to nothing (OIDC Core §5.4). */
function lacks(config: IdpConfig, claims: JsonObject): boolean {
  const { allow, person } = config;
  const wanted = [
    ...config.claims.values(),
    ...(allow && allow.emailDomains.length > 0 ? [person.email] : []),
    ...(allow?.emailVerified === true ? [person.emailVerified] : []),
    ...(allow && allow.groups.length > 0 ? [person.groups] : []),
    ...(allow && allow.organizations.length > 0 ? [person.organization] : []),
  ];
  return wanted.some((path) => valueAt(claims, path) === undefined);
}

export function authorizationUrl(
  endpoint: string,
  request: {
    readonly config: IdpConfig;
    readonly redirectUri: string;
    readonly attempt: Attempt;
  },
): URL {
  const { config, redirectUri, attempt } = request;
  const url = new URL(endpoint);
  const challenge = createHash("sha256").update(attempt.verifier).digest("base64url");
  const params: [string, string][] = [
    ...config.params,
    ["response_type", "code"],
    ["client_id", config.client.id],
    ["redirect_uri", redirectUri],
    ["state", attempt.state],
    ["code_challenge", challenge],
    ["code_challenge_method", "S256"],
    ...(config.scope.length > 0 ? [["scope", config.scope.join(" ")] as [string, string]] : []),
    ...(config.protocol === "openid" ? [["nonce", attempt.nonce] as [string, string]] : []),
  ];
  for (const [name, value] of params) url.searchParams.set(name, value);
  return url;
}

export function keptTokens(
  answer: oauth.TokenEndpointResponse,
  earlier: UpstreamTokens | undefined,
  now: () => number,
): UpstreamTokens {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = answer;
  return {
    accessToken,
    // RFC 6749 §6: the old one stays where no new one comes.
    refreshToken: refreshToken ?? earlier?.refreshToken,
    refreshEndsAt: refreshEnd(answer, now) ?? (refreshToken ? undefined : earlier?.refreshEndsAt),
    expiresAt: seconds === undefined ? undefined : now() + seconds * 1000,
    said: {},
  };
}

/** No standard names it: Keycloak says the one, GitHub and Google the other. Keycloak's 0 is for ever. */
function refreshEnd(answer: oauth.TokenEndpointResponse, now: () => number): number | undefined {
  const { refresh_expires_in: one, refresh_token_expires_in: other } = answer;
  const seconds = Number(one ?? other);
  return seconds > 0 ? now() + seconds * 1000 : undefined;
}

/** OIDC Core §3.1.3.8: where it is there, it must fit. */
function checkAccessTokenHash(answer: oauth.TokenEndpointResponse, claims: oauth.IDToken): void {
  const expected = claims["at_hash"];
  if (expected === undefined) return;
  const [head = ""] = (answer.id_token ?? "").split(".", 1);
  const { alg = "" } = JSON.parse(Buffer.from(head, "base64url").toString()) as { alg?: string };
  const hash =
    hashOf[alg.slice(-3)] ?? (alg === "EdDSA" || alg === "Ed25519" ? "sha512" : "sha256");
  const digest = createHash(hash).update(answer.access_token).digest();
  if (digest.subarray(0, digest.length / 2).toString("base64url") !== expected)
    throw new IdpError("idp_answer_invalid", "at_hash does not fit the access token");
}

/** Metadata is believed about its own host only, and about those that the operator named. */
function checkHosts(config: IdpConfig, metadata: oauth.AuthorizationServer): void {
  const issuer = new URL(config.client.issuer);
  const hosts = new Set([issuer.host, ...config.allowedHosts]);
  const named = ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"];
  for (const name of named) {
    const endpoint = metadata[name];
    if (endpoint === undefined) continue;
    const url = URL.parse(textOf(endpoint) ?? "");
    const secure = url?.protocol === issuer.protocol || url?.protocol === "https:";
    if (url === null || !secure || !hosts.has(url.host))
      throw new IdpError(
        "idp_answer_invalid",
        `the metadata's ${name} is on ${url?.host ?? "no host"}, which is not in allowedHosts`,
      );
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** One fetch at a time, kept for an hour; a failure is not kept. */
function createMetadata(
  load: () => Promise<oauth.AuthorizationServer>,
  now: () => number,
): () => Promise<oauth.AuthorizationServer> {
  let kept: { readonly found: Promise<oauth.AuthorizationServer>; readonly at: number } | undefined;
  return () => {
    if (kept !== undefined && now() - kept.at < metadataKeptFor) return kept.found;
    const found = load();
    const loading = { found, at: now() };
    kept = loading;
    found.catch(() => {
      if (kept === loading) kept = undefined;
    });
    return found;
  };
}

/** What oauth4webapi says about an answer, as one of our codes. Its messages name the check and quote no token. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof IdpError) throw error;
    if (error instanceof oauth.AuthorizationResponseError) {
      const denied = error.error === "access_denied";
      throw new IdpError(
        denied ? "access_denied" : "idp_refused",
        "the authorization was refused",
        {
          cause: error,
        },
      );
    }
    if (error instanceof oauth.ResponseBodyError) {
      // RFC 6749 §5.2: the code or refresh token is worth nothing, and so is the person's session.
      const gone = error.error === "invalid_grant";
      throw new IdpError(gone ? "gone" : "idp_refused", `the token request was refused`, {
        cause: error,
      });
    }
    if (error instanceof oauth.WWWAuthenticateChallengeError)
      throw new IdpError("gone", "the access token is not accepted", { cause: error });
    const detail = error instanceof Error ? escapeText(error.message) : "unknown";
    throw new IdpError("idp_answer_invalid", detail, { cause: error });
  }
}
