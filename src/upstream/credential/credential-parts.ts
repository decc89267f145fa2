import type { CancelSignal } from "../../base/cancel.ts";
import type { Principal } from "../../base/principal.ts";
import type { CredentialParts } from "../request/request.ts";

/** Which credential goes to one API. */
export interface Credential {
  /**
   * A cached credential comes back at once, without a promise. Cancelling ends this wait only: the
   * request to the token endpoint goes on for the others that wait for it.
   *
   * @throws AuthError `invalid_token`: the caller's token is no longer good for an exchange; once
   *   per person, so that a client cannot log in in a loop.
   * @throws CallError `credential_unavailable`, `gateway_misconfigured`, `not_permitted`,
   *   `temporarily_unavailable`, `upstream_unauthorized` (the API refused two fresh ones) or
   *   `cancelled`. Never falls back to another credential, to none, or to the caller's token.
   */
  readonly get: (
    principal: Principal,
    signal: CancelSignal | undefined,
  ) => CredentialParts | Promise<CredentialParts>;
  /**
   * The API answered 401 to `refused`. `true`: `get` now gives a fresh credential, worth one more
   * try. `false`: it would give the same one, or none for 30 s because a fresh one was refused too.
   */
  readonly invalidate: (principal: Principal, refused: CredentialParts) => boolean;
}
