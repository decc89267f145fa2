import { createCache } from "../base/cache.ts";
import { AuthError } from "../base/errors.ts";
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
   *   `temporarily_unavailable`: the issuer does not answer, so that nobody may get in.
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
      return freezeClaims(answer);
    },
  };
}
