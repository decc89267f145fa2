import type { JsonObject } from "../base/json.ts";

/** A person, as the broker's tokens speak of them. */
export interface Account {
  readonly sub: string;
  /** For people, on the consent page. */
  readonly name: string;
  /** Members of every access token of this person, e.g. name, email, department. */
  readonly claims: JsonObject;
}

/** One visit of a browser to the login step of an authorization request. */
interface LoginRequest {
  /** The authorization request; the same at every visit of its login step. */
  readonly uid: string;
  /** The fields of the form that was sent; undefined when the browser only came by. */
  readonly form: URLSearchParams | undefined;
  /** Where a form of the login page must be posted. */
  readonly action: string;
  /** Hidden field that such a form must carry, ready-made HTML. */
  readonly csrfField: string;
}

/** The login is done, or the browser needs to see a page first (HTML of its `<main>`). */
type LoginStep =
  | { readonly kind: "account"; readonly account: Account }
  | { readonly kind: "page"; readonly title: string; readonly main: string };

/**
 * Decides who the person is. The only place that knows: consent, tokens and refresh work with the
 * account it returned.
 */
export type Login = (request: LoginRequest) => Promise<LoginStep>;
