import type { Secret } from "../../base/secret.ts";
import type { StepUp } from "../../base/step-up.ts";

export type CredentialConfig =
  | { readonly kind: "none" }
  | {
      /** A token for this API and this person. */
      readonly kind: "exchange";
      /** RFC 8693, or RFC 7523 §2.1 with the caller's token as assertion. */
      readonly grant: "token-exchange" | "jwt-bearer";
      /** Whose token is exchanged: that of the call, or that of the login at the broker's provider. */
      readonly subject: "caller" | "login";
      readonly client: string;
      readonly audience: readonly string[];
      readonly resource: readonly string[];
      readonly scope: readonly string[];
      /** `operation`: of `scope`, what the operation's security requirements ask for. */
      readonly scopeGranularity: "operation" | "api";
      /** Scopes that an answer may have unasked. */
      readonly addedScopes: readonly string[];
      /** More form fields. */
      readonly parameters: ReadonlyMap<string, string>;
      readonly verifyAudience: boolean;
      /** URIs; only `token-exchange` sends them. */
      readonly subjectTokenType: string;
      /** undefined: not sent. */
      readonly requestedTokenType: string | undefined;
      readonly actor: "none" | "self";
      readonly cache: TokenCacheConfig;
      /** An API that answers 401 gets a fresh token and the request once more. */
      readonly retry: boolean;
      /** What a person has to log in with when the server wants more of them than it says. */
      readonly stepUp: StepUp | undefined;
    }
  | {
      /** Experimental: a token of the API's own authorization server, for an assertion of the company's. */
      readonly kind: "idJag";
      /** At the company's server. */
      readonly client: string;
      /** At the API's. */
      readonly at: string;
      readonly resource: readonly string[];
      readonly scope: readonly string[];
      /** URI. */
      readonly subjectTokenType: string;
    }
  | {
      /** A token that the gateway signs itself. */
      readonly kind: "signedJwt";
      readonly audience: string;
      /** Of the caller's token, to be repeated. */
      readonly claims: readonly string[];
      /** In the header. */
      readonly typ: string;
    }
  | {
      readonly kind: "clientCredentials";
      readonly client: string;
      readonly audience: readonly string[];
      readonly resource: readonly string[];
      readonly scope: readonly string[];
    }
  | {
      /** A token of the account that the person connected at a third party. */
      readonly kind: "connection";
      readonly provider: string;
      /** What a connected account must have granted. */
      readonly scope: readonly string[];
    }
  | {
      /** What the identity provider gave when the person logged in at the broker. */
      readonly kind: "login";
      /** Of `broker.upstream`. */
      readonly idp: string;
      /** For people: what they call it. */
      readonly title: string;
      /** The broker's client there. */
      readonly client: string;
    }
  | {
      readonly kind: "static";
      readonly in: "header" | "query" | "cookie";
      readonly name: string;
      /** Exactly what is sent: for `bearer` and `basic` the scheme is already in front. */
      readonly value: Secret;
    };

/** How long exchanged tokens and failures are kept. */
interface TokenCacheConfig {
  readonly maxMs: number;
  readonly failureMs: number;
}
