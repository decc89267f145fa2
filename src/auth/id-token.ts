import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { IssuerConfig } from "../config/types/auth.ts";
import { decodeJws } from "./jws.ts";
import type { KeySets } from "./keysets.ts";
import { invalidToken } from "./refusal.ts";

/** Who has just logged in, in the words of the issuer of access tokens. */
interface LoggedIn {
  readonly iss: string;
  readonly sub: string;
}

/**
 * Believes an ID token that came straight from the token endpoint, or refuses (OpenID Connect Core
 * §3.1.3.7). Its signature is checked all the same.
 *
 * @throws AuthError `invalid_token`, `temporarily_unavailable`.
 */
export type CheckIdToken = (
  token: string,
  expected: { readonly issuer: string; readonly clientId: string; readonly nonce: string },
) => Promise<LoggedIn>;

export function createCheckIdToken(
  issuers: readonly IssuerConfig[],
  keys: Pick<KeySets, "of">,
  ports: Ports,
): CheckIdToken {
  return async (token, { issuer, clientId, nonce }) => {
    const config = issuers.find((one) => one.issuer === issuer);
    const keySet = keys.of(issuer);
    if (config === undefined || keySet === undefined) throw invalidToken("unknown_issuer");
    const { alg, kid, claims } = decodeJws(token);
    if (claims["iss"] !== issuer) throw invalidToken("unknown_issuer");
    if (!config.algorithms.includes(alg)) throw invalidToken("unsupported_algorithm");
    const key = await keySet.find(alg, kid);
    if (key === undefined) throw invalidToken("unknown_key");
    key.verify(token, alg);
    if (config.tenant !== undefined && claims["tid"] !== config.tenant)
      throw invalidToken("wrong_tenant");
    checkAudience(claims, clientId);
    checkTimes(claims, ports.now() / 1000, config.clockSkewMs / 1000);
    // The answer belongs to the login that this browser started, and to no other.
    if (claims["nonce"] !== nonce) throw invalidToken("wrong_nonce");
    const { sub } = claims;
    if (typeof sub !== "string" || sub === "") throw invalidToken("invalid_subject");
    return { iss: issuer, sub };
  };
}

function checkAudience({ aud, azp }: JsonObject, clientId: string): void {
  const all = Array.isArray(aud) ? (aud as readonly unknown[]) : [aud];
  if (!all.includes(clientId)) throw invalidToken("wrong_audience");
  if (azp === undefined ? all.length > 1 : azp !== clientId) throw invalidToken("wrong_audience");
}

function checkTimes({ exp, iat }: JsonObject, nowS: number, skewS: number): void {
  if (typeof exp !== "number" || exp + skewS <= nowS) throw invalidToken("expired");
  if (typeof iat !== "number" || iat - skewS > nowS) throw invalidToken("not_yet_valid");
}
