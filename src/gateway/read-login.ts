import { AuthError, CallError } from "../base/errors.ts";
import type { Broker } from "../broker/broker.ts";
import { IdpError } from "../broker/idp/idp.ts";
import type { Config } from "../config/config.ts";
import { type Login, noLogin, notHere, type ReadLogin } from "../upstream/credential/login.ts";

/** @param broker Asked at each call. */
export function createReadLogin(
  { broker: config }: Config,
  broker: () => Broker | undefined,
): ReadLogin {
  if (config?.upstream.kind !== "idps") return noLogin;
  return async ({ iss, claims }, refused): Promise<Login> => {
    const grantId = claims["sid"];
    const ours = iss === config.issuer && typeof grantId === "string";
    try {
      const login = ours ? await broker()?.vault.login(grantId, refused) : undefined;
      if (login !== undefined) {
        const { accessToken, expiresAt } = login.tokens;
        return { idp: login.idp, accessToken, expiresAt };
      }
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
    throw notHere();
  };
}
