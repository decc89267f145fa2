import { AuthError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { AuthConfig, IssuerConfig } from "../config/types/auth.ts";
import { decodeJws, type Jws } from "./jws.ts";
import type { KeySet } from "./keyset.ts";
import type { KeySets } from "./keysets.ts";
import { isTextList } from "./mapping.ts";
import { invalidToken } from "./refusal.ts";
import type { Revocation } from "./revocation.ts";

/**
 * Believes a logout token of an issuer's back channel, or refuses it.
 *
 * @throws AuthError as for an access token: `invalid_token`, and `temporarily_unavailable` while the
 *   issuer's keys have never been read.
 * @see OpenID Connect Back-Channel Logout 1.0 §2.6
 */
export type ReadLogout = (token: string) => Promise<Revocation>;

interface LogoutIssuer {
  readonly config: IssuerConfig;
  readonly audience: ReadonlySet<string>;
  readonly keySet: KeySet;
}

type OAuthConfig = Extract<AuthConfig, { readonly mode: "oauth" }>;

/** @returns undefined: no issuer has `backChannelLogout`. */
export function compileLogout(
  { issuers }: Pick<OAuthConfig, "issuers">,
  keys: Pick<KeySets, "of">,
  { now }: Pick<Ports, "now">,
): ReadLogout | undefined {
  const known = new Map(issuers.flatMap((config) => entryOf(config, keys)));
  if (known.size === 0) return undefined;
  return async (token) => {
    const jws = decodeJws(token);
    const { alg, kid, claims } = jws;
    const { iss } = claims;
    const issuer = typeof iss === "string" ? known.get(iss) : undefined;
    if (issuer === undefined) throw invalidToken("unknown_issuer");
    if (!issuer.config.algorithms.includes(alg)) throw invalidToken("unsupported_algorithm");
    const key = await issuer.keySet.find(alg, kid);
    if (key === undefined) throw invalidToken("unknown_key");
    key.verify(token, alg);
    return { iss: issuer.config.issuer, ...readEvent(jws, issuer, now() / 1000) };
  };
}

function entryOf(
  config: IssuerConfig,
  keys: Pick<KeySets, "of">,
): readonly (readonly [string, LogoutIssuer])[] {
  const { issuer, backChannelLogout } = config;
  if (backChannelLogout === undefined) return [];
  const keySet = keys.of(issuer);
  if (keySet === undefined) throw new TypeError(`no key set for ${issuer}`);
  return [[issuer, { config, audience: new Set(backChannelLogout.audience), keySet }]];
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout";

/** §2.6, after the signature. */
function readEvent(jws: Jws, issuer: LogoutIssuer, now: number): Omit<Revocation, "iss"> {
  const { claims } = jws;
  if (!isLogout(jws)) throw invalidToken("not_a_logout_token");
  const { config, audience } = issuer;
  const { aud, sub, sid, jti } = claims;
  const named: unknown = typeof aud === "string" ? [aud] : aud;
  if (!isTextList(named) || !named.some((value) => audience.has(value)))
    throw invalidToken("wrong_audience");
  const { clockSkewMs: skewMs } = config;
  const issuedUntil = checkTimes(claims, now, skewMs / 1000) * 1000;
  if (!isName(jti) || !isOptionalName(sub) || !isOptionalName(sid) || (sub ?? sid) === undefined)
    throw invalidToken("invalid_logout");
  const endsAt = issuedUntil + config.maxLifetimeMs + 2 * skewMs;
  return { id: jti, sub, sid, issuedUntil, endsAt };
}

/** What makes it a logout token, and none of another kind by the same issuer. */
function isLogout({ typ, claims: { events, nonce } }: Jws): boolean {
  const isEvent = isJsonObject(events) && isJsonObject(events[logoutEvent]);
  return isEvent && nonce === undefined && isLogoutType(typ);
}

/** §2.4: it should be `logout+jwt`; issuers that are older than that say `JWT` or nothing. */
function isLogoutType(typ: string | undefined): boolean {
  const type = typ?.toLowerCase().replace(/^application\//, "");
  return type === undefined || type === "logout+jwt" || type === "jwt";
}

/** Far longer than any issuer's. */
const maxText = 512;

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxText;
}

function isOptionalName(value: unknown): value is string | undefined {
  return value === undefined || isName(value);
}

/** §2.4 recommends no more. */
const lifetimeS = 120;

/** Returns `iat`. All in seconds. */
function checkTimes(claims: JsonObject, now: number, skew: number): number {
  const { iat } = claims;
  if (!isTime(iat)) throw invalidToken("invalid_time");
  // Issuers that are older than the final text set no end.
  const { exp = iat + lifetimeS } = claims;
  if (!isTime(exp)) throw invalidToken("invalid_time");
  if (exp + skew <= now) throw invalidToken("expired");
  if (iat - skew > now) throw invalidToken("issued_in_future");
  return iat;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

const formField = "logout_token";

/**
 * The token of a request body (§2.5): one parameter of a form.
 *
 * @throws AuthError `invalid_request`
 */
export function readLogoutForm(body: string): string {
  const tokens = new URLSearchParams(body).getAll(formField);
  const [token = ""] = tokens;
  if (tokens.length !== 1 || token === "")
    throw new AuthError("invalid_request", "one_logout_token");
  return token;
}
