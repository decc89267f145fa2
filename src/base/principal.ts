import type { JsonObject } from "./json.ts";
import type { Secret } from "./secret.ts";

/** The person or machine a request speaks for, as its verified access token says. Immutable. */
export interface Principal {
  /** `iss`; the empty string when the gateway runs with `auth: {mode: none}`. */
  readonly iss: string;
  readonly sub: string;
  /** For people to read, from the claims that the issuer's `name` lists; never an identity. */
  readonly name: string | undefined;
  /** The OAuth client the token was issued to (`client_id`, else `azp`). */
  readonly clientId: string | undefined;
  readonly scopes: ReadonlySet<string>;
  /** From the claims that the issuer's `roles` lists. */
  readonly roles: readonly string[];
  /** Plain data for `principal.claims.…` in rules; never the raw token. */
  readonly claims: JsonObject;
  /** Milliseconds since the epoch; `Infinity` without a token. */
  readonly expiresAt: number;
  /** SHA-256 of the access token (base64url), the key under which exchanged tokens are kept. */
  readonly tokenHash: string;
  /** The subject token for an exchange. Never sent to an API. Absent with `auth: {mode: none}`. */
  readonly token: Secret | undefined;
}
