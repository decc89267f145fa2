import { compileDeny } from "../auth/deny.ts";
import { compileLogout, readLogoutForm } from "../auth/logout.ts";
import type { Ports } from "../base/ports.ts";
import { escapeText } from "../base/text.ts";
import { accessTokenSeconds } from "../broker/token.ts";
import type { Config } from "../config/config.ts";
import type { AuthConfig } from "../config/types/auth.ts";
import type { HttpService } from "../http/server.ts";
import { nobody } from "../observe/record/event.ts";
import type { Lasting } from "./lasting.ts";

/** Who may not call any more loses what was got in their name, not only the way in. */
export function dropDenied(auth: AuthConfig, { tokens, revocations }: Lasting): void {
  const deny = auth.mode === "oauth" ? compileDeny(auth, revocations) : undefined;
  if (deny !== undefined) tokens.forget((holder) => deny(holder) !== undefined);
}

/** By a clock that is as wrong as `auth.issuers` allows. */
const maxSkewMs = 120_000;

/**
 * A grant of the embedded broker has ended: its access tokens, which name it as `sid`, are refused
 * from now on, and what was got in their holder's name is dropped.
 */
export function createEndGrant(
  { broker }: Config,
  { tokens, revocations }: Lasting,
  { now }: Pick<Ports, "now">,
): (grantId: string) => void {
  const iss = broker?.issuer ?? "";
  return (grantId) => {
    const issuedUntil = now();
    const isNew = revocations.revoke({
      iss,
      id: `grant ${grantId}`,
      sub: undefined,
      sid: grantId,
      issuedUntil,
      endsAt: issuedUntil + accessTokenSeconds * 1000 + maxSkewMs,
    });
    if (isNew) tokens.forget((holder) => holder.iss === iss && holder.claims["sid"] === grantId);
  };
}

/** What is done with a request to the back channel; undefined: no issuer has one. */
export function compileBackChannel(
  auth: AuthConfig,
  lasting: Lasting,
  ports: Ports,
): HttpService["logout"] {
  const read = auth.mode === "oauth" ? compileLogout(auth, lasting.keys, ports) : undefined;
  if (read === undefined) return undefined;
  return async (body) => {
    const revocation = await read(readLogoutForm(body));
    // What a server sends again, because no answer reached it, has been done.
    if (!lasting.revocations.revoke(revocation)) return;
    dropDenied(auth, lasting);
    const { iss, sub, sid } = revocation;
    const logout = {
      issuer: escapeText(iss, 256),
      ...(sub === undefined ? {} : { sub: escapeText(sub, 256) }),
      ...(sid === undefined ? {} : { sid: escapeText(sid, 256) }),
    };
    const detail = { logout };
    lasting.recorder.note({
      ...nobody,
      event: "auth.logout",
      outcome: "success",
      reason: undefined,
      detail,
    });
  };
}
