import type { JsonObject } from "../../base/json.ts";
import type { Account } from "../login.ts";

/** One round through an identity provider; kept on the server until it comes back. */
export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636. */
  readonly verifier: string;
}

/** What the provider gave for one login; sealed in the vault of that grant. */
export interface UpstreamTokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  /** Milliseconds since the epoch; undefined: the provider did not say, or it has no end. */
  readonly refreshEndsAt: number | undefined;
  /** Milliseconds since the epoch; undefined: the provider did not say. */
  readonly expiresAt: number | undefined;
  /** What else the token endpoint said, for providers that name the person there. */
  readonly said: JsonObject;
}

export interface Entrant {
  readonly account: Account;
  readonly tokens: UpstreamTokens;
}

/** An identity provider that people log in at. */
export interface Idp {
  readonly name: string;
  readonly title: string;
  /** Where the browser goes. @throws IdpError */
  readonly start: (attempt: Attempt) => Promise<URL>;
  /** What the browser came back with. @throws IdpError */
  readonly finish: (answer: URLSearchParams, attempt: Attempt) => Promise<Entrant>;
  /**
   * Whether this person still is there and may enter, with the tokens to keep from now on.
   *
   * @throws IdpError `gone` or `not_allowed`: no longer; `idp_unavailable`: nobody can say now.
   */
  readonly verify: (tokens: UpstreamTokens, sub: string) => Promise<Entrant>;
}

export type IdpErrorCode =
  /** The person said no, or the provider refused them. */
  | "access_denied"
  /** The provider refused the broker's own request. */
  | "idp_refused"
  /** It does not answer, or not in time. */
  | "idp_unavailable"
  /** What came back is not what was asked for, or proves nothing. */
  | "idp_answer_invalid"
  /** A rule of `allow` does not hold. */
  | "not_allowed"
  /** The account is disabled, or its tokens were revoked. */
  | "gone";

/** A login that does not succeed. `detail` is for the operator and quotes no token. */
export class IdpError extends Error {
  override readonly name = "IdpError";
  readonly code: IdpErrorCode;
  readonly detail: string;

  constructor(code: IdpErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }
}
