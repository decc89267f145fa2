import type { JsonObject, JsonValue } from "../base/json.ts";
import type { IssuerConfig } from "../config/config.ts";
import type { Jws } from "./jws.ts";
import { invalidToken } from "./refusal.ts";

/** What an issuer's tokens must say to be for one endpoint. */
export interface ClaimRules {
  readonly typ: IssuerConfig["typ"];
  /** Accepted `aud` values, compared byte for byte. */
  readonly audience: ReadonlySet<string>;
  readonly clockSkewMs: number;
  readonly allowMachine: boolean;
}

/** What a token says once its signature and every rule hold. */
export interface Subject {
  readonly sub: string;
  readonly clientId: string | undefined;
  readonly scopes: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A longer life than any access token needs; bounds the damage of a leaked one. */
const maxLifetimeS = 24 * 3600;

/**
 * Judges a token whose signature is good (RFC 9068 §4, RFC 7519 §4.1). The first broken rule names
 * the refusal.
 *
 * @throws AuthError `invalid_token`
 */
export function checkClaims(jws: Jws, rules: ClaimRules, nowMs: number): Subject {
  const { claims } = jws;
  checkType(jws, rules.typ);
  checkAudience(claims["aud"], rules.audience);
  const expiresAt = checkTimes(claims, nowMs / 1000, rules.clockSkewMs / 1000);
  const sub = claims["sub"];
  if (typeof sub !== "string" || sub === "") throw invalidToken("invalid_subject");
  const clientId = readClient(claims);
  if (!rules.allowMachine && isMachine(claims, clientId)) throw invalidToken("machine_token");
  const scopes = readScopes(claims);
  // Bound to a key or certificate (RFC 7800) that nobody asks for here: stolen, it would be as good.
  if (claims["cnf"] !== undefined) throw invalidToken("sender_constrained");
  return { sub, clientId, scopes, expiresAt };
}

/** Header types of tokens that are signed by the same keys and are not access tokens. */
const otherTypes: ReadonlySet<string> = new Set([
  "id_token+jwt",
  "logout+jwt",
  "dpop+jwt",
  "oauth-id-jag+jwt",
  "secevent+jwt",
]);

/** Claims that only an ID token carries (OpenID Connect Core §2, §3.3.2.11; FAPI `s_hash`). */
const idTokenClaims = ["nonce", "at_hash", "c_hash", "s_hash"];

function checkType({ typ, claims }: Jws, required: ClaimRules["typ"]): void {
  // RFC 7515 §4.1.9: a media type without regard to case, `application/` may be left out.
  const type = typ?.toLowerCase().replace(/^application\//, "");
  const use = claims["token_use"];
  const payloadType = claims["typ"];
  const refused =
    required === "at+jwt"
      ? type !== "at+jwt"
      : (type !== undefined && otherTypes.has(type)) ||
        idTokenClaims.some((name) => claims[name] !== undefined) ||
        // Cognito's and Keycloak's own words for what a token is.
        (use !== undefined && use !== "access") ||
        (payloadType !== undefined && payloadType !== "Bearer" && payloadType !== "DPoP");
  if (refused) throw invalidToken("not_an_access_token");
}

const slashHint = "aud differs from an accepted audience by its trailing slash only";

function checkAudience(aud: JsonValue | undefined, accepted: ReadonlySet<string>): void {
  const values: unknown = typeof aud === "string" ? [aud] : aud;
  if (!isTextList(values)) throw invalidToken("wrong_audience");
  if (values.some((value) => accepted.has(value))) return;
  // The commonest mistake of all. Still refused, but the log may tell.
  const near = values.some((value) =>
    accepted.has(value.replace(/\/?$/, (end) => (end ? "" : "/"))),
  );
  throw invalidToken("wrong_audience", near ? new Error(slashHint) : undefined);
}

/** Returns `exp` in milliseconds. All arguments and claims are seconds. */
function checkTimes(claims: JsonObject, now: number, skew: number): number {
  const { exp, nbf = now, iat } = claims;
  if (!isTime(exp)) throw invalidToken("invalid_expiry");
  if (!isTime(nbf) || (iat !== undefined && !isTime(iat))) throw invalidToken("invalid_time");
  if (exp + skew <= now) throw invalidToken("expired");
  if (nbf - skew > now) throw invalidToken("not_yet_valid");
  if (iat !== undefined && iat - skew > now) throw invalidToken("issued_in_future");
  if (exp - (iat ?? now) > maxLifetimeS) throw invalidToken("lifetime_too_long");
  return exp * 1000;
}

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** RFC 9068 names the client `client_id`; others call it differently, and none may contradict. */
function readClient(claims: JsonObject): string | undefined {
  let client: string | undefined;
  for (const name of ["client_id", "azp", "cid", "appid"]) {
    const value = claims[name];
    if (value === undefined) continue;
    if (typeof value !== "string" || value === "") throw invalidToken("invalid_client");
    if (client !== undefined && client !== value) throw invalidToken("client_mismatch");
    client = value;
  }
  return client;
}

/** A token that a client got for itself: nobody has logged in. */
function isMachine(claims: JsonObject, clientId: string | undefined): boolean {
  return (
    claims["sub"] === clientId ||
    claims["idtyp"] === "app" ||
    claims["gty"] === "client-credentials"
  );
}

/** `scope` (RFC 8693 §4.2) and `scp` (Entra: a string, Okta: a list). Split on spaces, nothing else. */
function readScopes({ scope = "", scp = "" }: JsonObject): ReadonlySet<string> {
  if (typeof scope !== "string") throw invalidToken("invalid_scope");
  const others: unknown = typeof scp === "string" ? scp.split(" ") : scp;
  if (!isTextList(others)) throw invalidToken("invalid_scope");
  return new Set([...scope.split(" "), ...others].filter((value) => value !== ""));
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
