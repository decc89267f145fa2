import * as oauth from "oauth4webapi";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { isLoopback } from "../redirect.ts";
import { IdpError, type Entrant, type Idp, type UpstreamTokens } from "./idp.ts";
import { createIdpFetch, readJson } from "./idp-fetch.ts";
import { authorizationUrl, keptTokens, translated, type IdpDeps } from "./openid.ts";
import { readPerson } from "./person.ts";

/** RFC 6749 alone: who the person is, an API of the provider says. */
export function createOAuthProvider(deps: IdpDeps): Idp {
  const { config, redirectUri, auth, now } = deps;
  const { endpoints } = config;
  const client: oauth.Client = { client_id: config.client.id };
  const authorization = new URL(endpoints.authorizationUrl ?? config.client.issuer);
  const as: oauth.AuthorizationServer = {
    issuer: config.client.issuer,
    authorization_endpoint: authorization.href,
    ...(endpoints.tokenUrl === undefined ? {} : { token_endpoint: endpoints.tokenUrl }),
  };
  const send = createIdpFetch(deps.fetch, config.tokenRequest);
  const options = {
    [oauth.customFetch]: (url: string, init: Parameters<typeof send>[1]) => send(url, init),
    [oauth.allowInsecureRequests]: isLoopback(authorization.hostname),
  };

  const ask = async (url: string, accessToken: string): Promise<JsonValue> => {
    const response = await send(url, {
      method: "GET",
      headers: {
        accept: "application/json",
        authorization: `Bearer ${accessToken}`,
        // GitHub refuses requests without one.
        "user-agent": "tollgate",
      },
    });
    if (response.status === 401) throw new IdpError("gone", "the access token is not accepted");
    const body = response.status === 200 ? await readJson(response) : undefined;
    if (body === undefined)
      throw new IdpError("idp_answer_invalid", `a user endpoint answers ${response.status}`);
    return body;
  };

  /** Everything that is known about the owner of this token, as one document. */
  const describe = async ({ accessToken, said }: UpstreamTokens): Promise<JsonObject> => {
    const of = (url: string | undefined): Promise<JsonValue | undefined> =>
      url === undefined ? Promise.resolve(undefined) : ask(url, accessToken);
    const [user, emails, organizations] = await Promise.all([
      of(endpoints.userUrl),
      of(endpoints.emailsUrl),
      of(endpoints.organizationsUrl),
    ]);
    return {
      ...(isJsonObject(user) ? user : {}),
      ...primaryEmail(emails),
      ...(organizations === undefined ? {} : { organizations }),
      token: said,
    };
  };

  const entrantOf = async (tokens: UpstreamTokens): Promise<Entrant> => ({
    account: readPerson(config, await describe(tokens)),
    tokens,
  });

  return {
    name: config.name,
    title: config.title,
    start: async (attempt) =>
      authorizationUrl(authorization.href, { config, redirectUri, attempt }),
    finish: (answer, attempt) =>
      translated(async () => {
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
        const tokens = await oauth.processAuthorizationCodeResponse(as, client, response);
        return entrantOf({ ...keptTokens(tokens, undefined, now), said: withoutTokens(tokens) });
      }),
    verify: (kept, sub) =>
      translated(async () => {
        const entrant = await entrantOf(await renew(kept));
        if (entrant.account.sub !== sub)
          throw new IdpError("gone", "the tokens are somebody else's now");
        return entrant;
      }),
  };

  async function renew(kept: UpstreamTokens): Promise<UpstreamTokens> {
    const { refreshToken } = kept;
    if (refreshToken === undefined) return kept;
    const response = await oauth.refreshTokenGrantRequest(as, client, auth, refreshToken, options);
    const answer = await oauth.processRefreshTokenResponse(as, client, response);
    return {
      ...keptTokens(answer, kept, now),
      said: { ...kept.said, ...withoutTokens(answer) },
    };
  }
}

/** The list of GitHub; nobody else's address counts as verified by it. */
function primaryEmail(emails: JsonValue | undefined): JsonObject {
  if (!Array.isArray(emails)) return {};
  const list = (emails as readonly JsonValue[]).filter(isJsonObject);
  const primary = list.find((entry) => entry["primary"] === true);
  return primary === undefined
    ? {}
    : { email: primary["email"] ?? null, email_verified: primary["verified"] === true };
}

function withoutTokens(answer: oauth.TokenEndpointResponse): JsonObject {
  const { access_token: _access, refresh_token: _refresh, id_token: _id, ...said } = answer;
  return said as JsonObject;
}
