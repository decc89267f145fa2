import { createCache } from "../base/cache.ts";
import { AuthError, CallError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import { freezeClaims } from "./jws.ts";
import { invalidToken } from "./refusal.ts";

/** RFC 7662: everything the issuer says of a token. Any failure means that nobody knows. */
export type Introspect = (token: string) => Promise<JsonObject>;

/** What is said of a live token, as claims; refusals are remembered for a while. */
export interface Introspection {
  /**
   * @throws AuthError `invalid_token`: it is not active, or of another issuer;
   *   `temporarily_unavailable`: the issuer does not answer, or is asked too much at once, so that
   *   nobody may get in.
   */
  readonly claims: (token: string, tokenHash: string) => Promise<JsonObject>;
}

const refusedMs = 10_000;
const maxRefused = 10_000;

export function createIntrospection(
  issuer: string,
  introspect: Introspect,
  ports: Ports,
): Introspection {
  const refused = createCache<true>(maxRefused, ports.now);
  return {
    async claims(token, tokenHash) {
      if (refused.get(tokenHash)) throw invalidToken("inactive_token");
      let answer: JsonObject;
      try {
        answer = await introspect(token);
      } catch (cause) {
        // Not a line for each: whoever floods the gateway with tokens would write the log.
        if (cause instanceof CallError && cause.code === "busy")
          throw new AuthError("temporarily_unavailable", "introspection_busy", { cause });
        const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
        ports.log.warn("introspection_failed", { issuer, code });
        throw new AuthError("temporarily_unavailable", "introspection_unavailable", { cause });
      }
      // RFC 7662 §2.2: a boolean; "true" is no yes.
      if (answer["active"] !== true) {
        refused.set(tokenHash, true, ports.now() + refusedMs);
        throw invalidToken("inactive_token");
      }
      if (answer["iss"] !== undefined && answer["iss"] !== issuer)
        throw invalidToken("unknown_issuer");
      if (!isAccessToken(answer)) throw invalidToken("not_an_access_token");
      return freezeClaims(answer);
    },
  };
}

/** By claim, what issuers call an access token there, in lower case. */
const kinds: readonly (readonly [string, readonly string[]])[] = [
  ["token_type", ["bearer", "dpop", "access_token"]],
  ["token_use", ["access", "access_token"]],
  ["typ", ["bearer", "dpop", "at+jwt", "jwt"]],
];

/** Issuers answer for refresh tokens as well (RFC 7662 §2.1), and say so in words of their own. */
function isAccessToken(answer: JsonObject): boolean {
  return kinds.every(([name, words]) => {
    const word = answer[name];
    return word === undefined || (typeof word === "string" && words.includes(word.toLowerCase()));
  });
}
