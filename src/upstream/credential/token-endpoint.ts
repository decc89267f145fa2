import { allowInsecureRequests, genericTokenEndpointRequest } from "oauth4webapi";

import type { JsonObject, JsonValue } from "../../base/json.ts";
import type { StepUp } from "../../base/step-up.ts";
import type { Ports } from "../../base/ports.ts";
import type { ClientConfig } from "../../config/types/clients.ts";
import { type ClientKeys, createClientAuth } from "./client-auth.ts";
import { type IssuerMetadata, isSafeUrl } from "./issuer-metadata.ts";
import { parseRetryAfter } from "../retry-after.ts";
import type { TokenCircuit } from "./token-circuit.ts";
import { isOutage, isTokenErrorCode, TokenFailure } from "./token-failure.ts";
import type { FetchAs } from "./tls-fetch.ts";
import { type Fetch, type JsonReply, requestJson } from "./token-http.ts";

/** A successful token response (RFC 6749 §5.1, RFC 8693 §2.2.1), as far as it can be checked alone. */
export interface TokenReply {
  /** Visible ASCII: safe in a header. */
  readonly accessToken: string;
  /** `N_A`: it is no access token (RFC 8693 §2.2.1). */
  readonly isAccessToken: boolean;
  readonly issuedTokenType: string | undefined;
  /** undefined: as asked for. */
  readonly scope: readonly string[] | undefined;
  readonly expiresInMs: number | undefined;
  /** RFC 6749 §6. */
  readonly refreshToken: string | undefined;
  /** OpenID Connect Core §3.1.3.3. */
  readonly idToken: string | undefined;
}

/** @throws TokenFailure whenever there is no usable token. */
export type RequestToken = (
  grantType: string,
  parameters: readonly (readonly [string, string])[],
) => Promise<TokenReply>;

export interface TokenEndpointDeps {
  readonly fetch: Fetch;
  readonly fetchAs: FetchAs;
  readonly metadata: IssuerMetadata;
  readonly clientKeys: ClientKeys;
  readonly circuit: TokenCircuit;
}

/** Speaks to the token endpoint of one client of the gateway. */
export function createTokenEndpoint(
  client: ClientConfig,
  deps: TokenEndpointDeps,
  ports: Ports,
): RequestToken {
  const clientAuth = createClientAuth(client, deps.clientKeys, ports);
  const { circuit } = deps;

  const fetch = client.auth.kind === "tls_client_auth" ? deps.fetchAs(client.auth) : deps.fetch;

  async function findTokenUrl(): Promise<string> {
    const { tokenUrl, mtlsTokenUrl } = await deps.metadata(client.issuer);
    return client.auth.kind === "tls_client_auth" ? (mtlsTokenUrl() ?? tokenUrl) : tokenUrl;
  }

  async function send(
    grantType: string,
    parameters: readonly (readonly [string, string])[],
  ): Promise<TokenReply> {
    const tokenUrl = client.tokenUrl ?? (await findTokenUrl());
    if (!isSafeUrl(tokenUrl)) throw new TokenFailure("insecure_token_endpoint");
    const reply = await requestJson(fetch, (options) =>
      genericTokenEndpointRequest(
        { issuer: client.issuer, token_endpoint: tokenUrl },
        { client_id: client.id },
        clientAuth,
        grantType,
        parameters.map(([name, value]) => [name, value]),
        { ...options, [allowInsecureRequests]: true },
      ),
    );
    return readReply(reply, ports.now());
  }

  return async (grantType, parameters) => {
    circuit.admit();
    try {
      const reply = await send(grantType, parameters);
      circuit.succeeded();
      return reply;
    } catch (error) {
      if (error instanceof TokenFailure && !isOutage(error)) circuit.succeeded();
      else circuit.failed(error instanceof TokenFailure ? error.retryAfterMs : undefined);
      throw error;
    }
  };
}

/** RFC 8693 §2.1: `resource` and `audience` may be repeated. All come from gateway.yaml only. */
export function targetParameters(config: {
  readonly resource: readonly string[];
  readonly audience: readonly string[];
  readonly scope: readonly string[];
}): readonly (readonly [string, string])[] {
  return [
    ...config.resource.map((value) => ["resource", value] as const),
    ...config.audience.map((value) => ["audience", value] as const),
    ...(config.scope.length === 0 ? [] : [["scope", config.scope.join(" ")] as const]),
  ];
}

function readReply({ status, retryAfter, body }: JsonReply, now: number): TokenReply {
  if (status === 429 || status >= 500) {
    const seconds = parseRetryAfter(retryAfter ?? undefined, now);
    const retryAfterMs = seconds === undefined ? undefined : seconds * 1000;
    throw new TokenFailure(status === 429 ? "rate_limited" : "server_error", { retryAfterMs });
  }
  if (isTokenErrorCode(body?.["error"]))
    throw new TokenFailure(body["error"], { stepUp: readStepUp(body) });
  // RFC 6749 §5.2: 401 is for failed client authentication.
  if (status === 401) throw new TokenFailure("invalid_client");
  // A server that answers so works: what it thinks of one person must not close it to all others.
  if (status >= 400 && typeof body?.["error"] === "string") throw new TokenFailure("unknown_error");
  if (status !== 200) throw new TokenFailure("unexpected_status");
  if (body === undefined) throw new TokenFailure("malformed_reply");
  return readToken(body);
}

function readToken(body: JsonObject): TokenReply {
  const { access_token: token, token_type: type, scope, issued_token_type: issued } = body;
  if (typeof token !== "string" || token === "") throw new TokenFailure("malformed_reply");
  // No DPoP: without a proof in the request there is no key such a token could be bound to.
  if (typeof type !== "string" || !/^(bearer|n_a)$/i.test(type))
    throw new TokenFailure("wrong_token_type");
  if (!/^[!-~]+$/.test(token)) throw new TokenFailure("unsafe_token");
  if (!isStringOrAbsent(issued) || !isStringOrAbsent(scope))
    throw new TokenFailure("malformed_reply");
  return {
    accessToken: token,
    isAccessToken: type.toLowerCase() === "bearer",
    issuedTokenType: issued ?? undefined,
    scope: scope ? splitScope(scope) : undefined,
    expiresInMs: readLifetime(body["expires_in"]),
    refreshToken: textIn(body["refresh_token"]),
    idToken: textIn(body["id_token"]),
  };
}

/** What RFC 9470 §3 has in a challenge, as servers say it in an error; anything odd is not repeated. */
function readStepUp(body: JsonObject): StepUp | undefined {
  const { acr_values: acr, max_age: age } = body;
  const known = typeof acr === "string" && /^[ !#-[\]-~]{1,256}$/.test(acr);
  const acrValues = known ? acr.split(" ").filter((value) => value !== "") : [];
  const seconds = typeof age === "string" && /^\d{1,9}$/.test(age) ? Number(age) : age;
  const maxAgeS =
    Number.isSafeInteger(seconds) && Number(seconds) >= 0 ? Number(seconds) : undefined;
  return acrValues.length === 0 && maxAgeS === undefined ? undefined : { acrValues, maxAgeS };
}

function textIn(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** RFC 6749 §3.3: separated by single spaces. */
function splitScope(scope: string): readonly string[] {
  return scope.split(" ").filter((value) => value !== "");
}

/** Seconds as a number, or, from some servers, as digits in a string. */
function readLifetime(value: JsonValue | undefined): number | undefined {
  const seconds = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof seconds === "number" && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

function isStringOrAbsent(value: JsonValue | undefined): value is string | null | undefined {
  return value === undefined || value === null || typeof value === "string";
}
