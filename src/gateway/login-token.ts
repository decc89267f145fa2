import { AuthError, CallError } from "../base/errors.ts";
import type { Broker } from "../broker/broker.ts";
import { IdpError } from "../broker/idp/idp.ts";
import type { Config } from "../config/config.ts";
import type { LoginToken } from "../upstream/credential/exchange.ts";

/** @param broker Asked at each call. */
export function createLoginToken(
  { broker: config }: Config,
  broker: () => Broker | undefined,
): LoginToken | undefined {
  if (config?.upstream.kind !== "idps") return undefined;
  return async ({ iss, claims }) => {
    const grantId = claims["sid"];
    const ours = iss === config.issuer && typeof grantId === "string";
    try {
      const tokens = ours ? await broker()?.vault.token(grantId) : undefined;
      if (tokens !== undefined) return tokens.accessToken;
    } catch (cause) {
      if (!(cause instanceof IdpError)) throw cause;
      // The client logs in again, and the person with it.
      if (cause.code === "gone" || cause.code === "not_allowed")
        throw new AuthError("invalid_token", "login_ended", { cause });
      throw new CallError(
        "temporarily_unavailable",
        "The identity provider that this person logged in at does not answer. Try again in a moment.",
        { cause },
      );
    }
    if (ours) throw new AuthError("invalid_token", "login_ended");
    throw new CallError(
      "credential_unavailable",
      "This tool needs a person who logged in through this gateway.",
    );
  };
}
