import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { IssuerConfig } from "../config/types/auth.ts";

/** What is known of a token that was refused; its claims are what it says, not what is true. */
export interface RefusedToken {
  /** Of the refusal. */
  readonly reason: string;
  readonly text: string;
  /** undefined: it is no JWT. */
  readonly claims: JsonObject | undefined;
  /** The one it names; undefined: none of the configuration. */
  readonly issuer: IssuerConfig | undefined;
  readonly issuers: readonly IssuerConfig[];
  readonly resource: string;
  /** Baseline scopes. */
  readonly scopes: readonly string[];
}

export interface Advice {
  readonly code: string;
  /** What is wrong. */
  readonly cause: string;
  /** What to change, and where. */
  readonly fix: string;
}

interface Rule extends Advice {
  readonly reason: string;
  readonly when?: (token: RefusedToken) => boolean;
}

const preset =
  (name: string) =>
  ({ issuer, issuers }: RefusedToken): boolean =>
    issuer === undefined ? issuers.some((one) => one.preset === name) : issuer.preset === name;

/** The first that fits is the cause; the last of each reason fits always. */
const rules: readonly Rule[] = [
  {
    reason: "malformed_token",
    when: ({ text }) => /^bearer /i.test(text),
    code: "bearer_prefix",
    cause: "the text starts with the word Bearer",
    fix: "give the token alone",
  },
  {
    reason: "malformed_token",
    when: ({ text }) => /^["'].*["']$/s.test(text),
    code: "quoted_token",
    cause: "the token is in quotes",
    fix: "give the token without them",
  },
  {
    reason: "malformed_token",
    when: ({ text }) => text.split(".").length === 5,
    code: "encrypted_token",
    cause: "the token is encrypted (JWE)",
    fix: "let the issuer sign access tokens of this API without encrypting them; Auth0: name the API as audience",
  },
  {
    reason: "malformed_token",
    when: (token) => token.text.split(".").length === 1 && preset("auth0")(token),
    code: "auth0_opaque_token",
    cause: "Auth0 gives opaque tokens when the request names no API",
    fix: "create an API whose identifier is the URL of the endpoint and turn on the Resource Parameter Compatibility Profile, or make it the tenant's default audience",
  },
  {
    reason: "malformed_token",
    when: (token) => token.text.split(".").length === 1 && preset("zitadel")(token),
    code: "zitadel_opaque_token",
    cause: "ZITADEL gives opaque tokens unless the application is set to JWT",
    fix: "set the application's auth token type to JWT, or write tokens: auto and introspection",
  },
  {
    reason: "malformed_token",
    when: ({ text }) => text.split(".").length === 1,
    code: "opaque_token",
    cause: "the token is no JWT",
    fix: "let the issuer give JWTs for this API, or write tokens: auto and introspection for the issuer",
  },
  {
    reason: "malformed_token",
    code: "malformed_token",
    cause: "the token is cut, or no JWT",
    fix: "copy it whole: three parts with dots between them",
  },
  {
    reason: "unknown_issuer",
    when: ({ claims, issuers }) =>
      issuers.some(({ issuer }) => withoutSlash(issuer) === withoutSlash(textOf(claims, "iss"))),
    code: "issuer_slash",
    cause: "iss and the configured issuer differ by the slash at the end",
    fix: "write issuer exactly as iss has it",
  },
  {
    reason: "unknown_issuer",
    when: ({ claims }) => textOf(claims, "iss").startsWith("https://sts.windows.net/"),
    code: "entra_v1_token",
    cause: "the token is of Entra's version 1",
    fix: "set requestedAccessTokenVersion to 2 in the manifest of the gateway's application",
  },
  {
    reason: "unknown_issuer",
    when: (token) => preset("entra")(token) && token.claims?.["tid"] !== undefined,
    code: "entra_other_tenant",
    cause: "the token is of another Entra tenant",
    fix: "write {tid} in issuer and list the accepted tenants",
  },
  {
    reason: "unknown_issuer",
    when: ({ claims, issuers }) =>
      issuers.some(({ issuer }) => hostOf(issuer) === hostOf(textOf(claims, "iss"))),
    code: "issuer_path",
    cause: "iss is on a configured host and has another path",
    fix: "write issuer exactly as iss has it: realm, tenant or authorization server id",
  },
  {
    reason: "unknown_issuer",
    code: "unknown_issuer",
    cause: "iss is none of auth.issuers",
    fix: "add the issuer, or log in where clients are sent",
  },
  {
    reason: "unsupported_algorithm",
    code: "unsupported_algorithm",
    cause: "the token is signed with an algorithm that is not accepted",
    fix: "let the issuer sign with ES256, PS256, RS256 or EdDSA, or add it to algorithms; symmetric ones never are",
  },
  {
    reason: "unknown_key",
    code: "unknown_key",
    cause: "the issuer publishes no key that fits the token's kid and alg",
    fix: "check that jwksUrl is that of this issuer, and that the token is not older than its last key",
  },
  {
    reason: "bad_signature",
    code: "bad_signature",
    cause: "the signature does not fit the published key",
    fix: "check that the token is unchanged and of this environment",
  },
  {
    reason: "not_an_access_token",
    when: ({ claims }) => /^(?:Refresh|Offline)$/.test(textOf(claims, "typ")),
    code: "refresh_token",
    cause: "this is a refresh token",
    fix: "send the access token",
  },
  {
    reason: "not_an_access_token",
    when: ({ claims }) =>
      claims?.["token_use"] === "id" ||
      claims?.["typ"] === "ID" ||
      ["nonce", "at_hash", "c_hash", "s_hash"].some((name) => claims?.[name] !== undefined),
    code: "id_token",
    cause: "this is an ID token",
    fix: "send the access token",
  },
  {
    reason: "not_an_access_token",
    when: ({ issuer }) => issuer?.typ === "at+jwt",
    code: "header_type",
    cause: "the header typ is not at+jwt",
    fix: "write the preset of the product, or typ: any; or let the issuer follow RFC 9068",
  },
  {
    reason: "not_an_access_token",
    code: "not_an_access_token",
    cause: "the header typ is that of another kind of token",
    fix: "send the access token",
  },
  {
    reason: "wrong_audience",
    when: ({ claims, issuer, resource }) =>
      audienceOf(claims).some((aud) =>
        [resource, ...configuredAudience(issuer)].some(
          (wanted) => withoutSlash(aud) === withoutSlash(wanted),
        ),
      ),
    code: "audience_slash",
    cause: "aud and the accepted audience differ by the slash at the end",
    fix: "write audience exactly as aud has it, or correct it at the issuer",
  },
  {
    reason: "wrong_audience",
    when: ({ claims }) => claims?.["aud"] === undefined && claims?.["token_use"] !== undefined,
    code: "cognito_no_audience",
    cause: "Cognito's access tokens have no aud",
    fix: "write preset: cognito and clients",
  },
  {
    reason: "wrong_audience",
    when: ({ claims, issuer }) =>
      issuer?.preset === "keycloak" &&
      audienceOf(claims).every((aud) => ["account", "realm-management"].includes(aud)),
    code: "keycloak_audience_mapper",
    cause: "no audience mapper adds this gateway to aud",
    fix: "add a client scope with an Audience mapper whose Included Custom Audience is the URL of the endpoint, as a default scope of the clients",
  },
  {
    reason: "wrong_audience",
    when: ({ claims, issuer }) =>
      issuer?.preset === "entra" && audienceOf(claims).some((aud) => guid.test(aud)),
    code: "entra_audience",
    cause: "aud is the client id of an application, as in every version 2 token of Entra",
    fix: "write that id in audience, if it is the gateway's application",
  },
  {
    reason: "wrong_audience",
    when: ({ claims }) => audienceOf(claims).some((aud) => aud.startsWith("api://")),
    code: "entra_audience_uri",
    cause: "aud is an Application ID URI, so the token is of Entra's version 1",
    fix: "set requestedAccessTokenVersion to 2, or write that URI in audience",
  },
  {
    reason: "wrong_audience",
    when: ({ claims }) =>
      audienceOf(claims).some((aud) =>
        [textOf(claims, "client_id"), textOf(claims, "azp")].includes(aud),
      ),
    code: "audience_is_client",
    cause: "aud is the client itself",
    fix: "let the client ask for this resource (RFC 8707), or configure the audience at the issuer",
  },
  {
    reason: "wrong_audience",
    when: ({ claims, resource }) =>
      audienceOf(claims).some((aud) => withoutSlash(aud) === new URL(resource).origin),
    code: "audience_is_origin",
    cause: "aud is the origin of the gateway, not the URL of the endpoint",
    fix: "configure the whole URL at the issuer, or write the origin in audience",
  },
  {
    reason: "wrong_audience",
    when: ({ claims }) => audienceOf(claims).length === 0,
    code: "no_audience",
    cause: "the token has no aud",
    fix: "let the issuer put the URL of the endpoint into aud",
  },
  {
    reason: "wrong_audience",
    code: "wrong_audience",
    cause: "aud names neither the URL of the endpoint nor anything in audience",
    fix: "let the client ask for this resource, or write in audience what the issuer sets for this gateway",
  },
  {
    reason: "shared_audience",
    code: "shared_audience",
    cause: "the token is for others as well, and exclusive is true",
    fix: "let the client ask for this resource alone, or leave exclusive out",
  },
  {
    reason: "wrong_tenant",
    code: "wrong_tenant",
    cause: "tid is not the tenant of the issuer",
    fix: "add the tenant to tenants, if its people may call",
  },
  {
    reason: "expired",
    code: "expired",
    cause: "exp has passed",
    fix: "get a new token; if it is new, compare the clocks of issuer and gateway",
  },
  {
    reason: "not_yet_valid",
    code: "clock_skew",
    cause: "nbf is later than now",
    fix: "correct the clocks of issuer and gateway, or raise clockSkew",
  },
  {
    reason: "issued_in_future",
    code: "clock_skew",
    cause: "iat is later than now",
    fix: "correct the clocks of issuer and gateway, or raise clockSkew",
  },
  {
    reason: "lifetime_too_long",
    code: "lifetime_too_long",
    cause: "the token lives longer than maxLifetime",
    fix: "shorten the lifetime of access tokens at the issuer, or raise maxLifetime",
  },
  {
    reason: "invalid_subject",
    code: "no_subject",
    cause: "the token has no sub",
    fix: "let the issuer set it; Keycloak: add the client scope basic",
  },
  {
    reason: "machine_token",
    code: "machine_token",
    cause: "the token speaks for a client alone",
    fix: "log in as a person, or write allowMachine: true",
  },
  {
    reason: "client_mismatch",
    code: "client_mismatch",
    cause: "the claims that name the client contradict each other",
    fix: "correct the claim mappers, or name the right claim in client",
  },
  {
    reason: "client_not_allowed",
    code: "client_not_allowed",
    cause: "the token's client is not in clients",
    fix: "add its id to clients, if it may call",
  },
  {
    reason: "sender_constrained",
    when: ({ claims }) => isJsonObject(claims?.["cnf"]) && "x5t#S256" in claims["cnf"],
    code: "certificate_bound",
    cause:
      "the token is bound to a client's certificate (cnf.x5t#S256), which only a connection can show",
    fix: "serve TLS with server.tls and clientCertificate: optional, if its client connects to the gateway itself; else let the issuer give this client plain bearer tokens",
  },
  {
    reason: "sender_constrained",
    code: "sender_constrained",
    cause: "the token is bound to a key (cnf), which only a request can prove",
    fix: "write dpop: optional, if it is bound to a DPoP key; else let the issuer give this client plain bearer tokens",
  },
  {
    reason: "baseline_scope_missing",
    when: ({ claims, scopes }) =>
      textsOf(claims, "scp", "scope").some((have) =>
        scopes.some((scope) => have.endsWith(`/${scope}`)),
      ),
    code: "scope_prefix",
    cause: "the token has the scopes with something in front of them",
    fix: "write that in scopes.prefix of the issuer",
  },
  {
    reason: "baseline_scope_missing",
    when: ({ claims, scopes }) =>
      textsOf(claims, "permissions", "roles").some((have) => scopes.includes(have)),
    code: "scope_claim",
    cause: "the scopes are in permissions or roles",
    fix: "add that claim to scopes.from of the issuer",
  },
  {
    reason: "baseline_scope_missing",
    when: ({ claims, scopes }) =>
      textsOf(claims, "scope", "scp").some((have) =>
        have.split(/[,;]/).some((part) => part !== have && scopes.includes(part)),
      ),
    code: "scope_separator",
    cause: "the scopes are separated by commas",
    fix: "let the issuer separate them by spaces (RFC 6749 §3.3)",
  },
  {
    reason: "baseline_scope_missing",
    code: "scope_missing",
    cause: "the token lacks a scope of auth.scopes",
    fix: "define the scope at the issuer, grant it to the client, and let the client ask for it",
  },
  {
    reason: "claim_rule",
    code: "claim_rule",
    cause: "a claim that require names is absent or says something else",
    fix: "grant it at the identity provider, or correct require",
  },
  {
    reason: "inactive_token",
    code: "inactive_token",
    cause: "the issuer says that the token is not active",
    fix: "get a new one; check that the client that asks may ask about it",
  },
  {
    reason: "denied_token",
    code: "denied_token",
    cause: "auth.deny names the token, its person or its client",
    fix: "take the entry out when it is over",
  },
];

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Which rule refused a token, why it is likely so, and what to change. */
export function adviseOn(token: RefusedToken): Advice {
  const rule = rules.find(({ reason, when }) => reason === token.reason && (when?.(token) ?? true));
  if (rule !== undefined) return { code: rule.code, cause: rule.cause, fix: rule.fix };
  const cause = token.reason.replaceAll("_", " ");
  return { code: token.reason, cause, fix: "see docs/errors.md" };
}

function configuredAudience(issuer: IssuerConfig | undefined): readonly string[] {
  return issuer === undefined || issuer.audience === "none" ? [] : issuer.audience;
}

function withoutSlash(text: string): string {
  return text.replace(/\/$/, "");
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "";
}

function textOf(claims: JsonObject | undefined, name: string): string {
  const value = claims?.[name];
  return typeof value === "string" ? value : "";
}

/** The texts of claims that are texts, split on spaces, or lists. */
function textsOf(claims: JsonObject | undefined, ...names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const value: unknown = claims?.[name];
    const items: readonly unknown[] = typeof value === "string" ? value.split(" ") : [value].flat();
    return items.filter((item) => typeof item === "string");
  });
}

function audienceOf(claims: JsonObject | undefined): readonly string[] {
  return textsOf(claims, "aud");
}
