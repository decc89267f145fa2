export type AuthConfig =
  | { readonly mode: "none" }
  | {
      readonly mode: "oauth";
      /** Baseline scopes: required on every token, in the challenge and in the metadata. */
      readonly scopes: readonly string[];
      /** false hides tools whose scopes the caller lacks instead of answering 403. */
      readonly stepUp: boolean;
      /** Absolute path of the directory that keeps issuers' keys for the next start. */
      readonly keysDir: string;
      readonly deny: DenyConfig;
      /** Verified tokens, kept for each endpoint. */
      readonly cache: { readonly entries: number; readonly maxAgeMs: number };
      /** Proof of possession (RFC 9449) of tokens that are bound to a key. */
      readonly dpop: "off" | "optional" | "required";
      readonly issuers: readonly IssuerConfig[];
    };

/** Whose access tokens are accepted. */
export interface IssuerConfig {
  /** Compared byte for byte with `iss`. */
  readonly issuer: string;
  /** The broker of this gateway, which says at once what it ended. */
  readonly embedded: boolean;
  readonly preset: string;
  /** `jwt` by its signature, `introspect` by asking the issuer, `auto` by which of them it is. */
  readonly tokens: "jwt" | "introspect" | "auto";
  /** With `tokens: jwt` only to ask about signed tokens as well. */
  readonly introspection: IntrospectionConfig | undefined;
  /** What `tid` must say; undefined: it is not looked at. */
  readonly tenant: string | undefined;
  /** Accepted `aud` values, byte for byte; empty: the resource URL of the endpoint; `none`: any or none. */
  readonly audience: readonly string[] | "none";
  /** Tokens for anybody else as well are refused. */
  readonly exclusive: boolean;
  /** `at+jwt` demands the RFC 9068 header; `any` accepts others that are provably not ID tokens. */
  readonly typ: "at+jwt" | "any";
  readonly algorithms: readonly string[];
  /** undefined: from the issuer's metadata. */
  readonly jwksUrl: string | undefined;
  readonly jwks: JwksConfig;
  /** Whose logout tokens (OpenID Connect Back-Channel Logout 1.0) end logins; undefined: nobody's. */
  readonly backChannelLogout: { readonly audience: readonly string[] } | undefined;
  readonly clockSkewMs: number;
  readonly maxLifetimeMs: number;
  /** Claims that name the client; those that are there must agree. */
  readonly clientClaims: readonly string[];
  /** The only clients accepted; empty: all. */
  readonly clients: readonly string[];
  readonly scopes: ScopeClaims;
  readonly nameClaims: readonly string[];
  readonly roleClaims: readonly string[];
  /** By claim; one that does not hold is 403. */
  readonly require: ReadonlyMap<string, ClaimTest>;
  /** Each entry by claim: a token of which all fit is a machine's. `null`: the claim is absent. */
  readonly machine: readonly ReadonlyMap<string, ClaimValue | null>[];
  readonly allowMachine: boolean;
}

interface IntrospectionConfig {
  /** Name of the client that asks. */
  readonly client: string;
  /** undefined: from the metadata of the client's issuer. */
  readonly url: string | undefined;
  /** How long an answer counts. */
  readonly cacheMs: number;
  /** How often signed tokens are asked about as well; undefined: never. */
  readonly everyMs: number | undefined;
}

/** Tokens that are refused whatever they say. */
interface DenyConfig {
  readonly jti: readonly string[];
  readonly sub: readonly string[];
  readonly clients: readonly string[];
}

export interface JwksConfig {
  /** Further hosts that the issuer's metadata may name for its keys. */
  readonly hosts: readonly string[];
  /** How long the last good keys serve while the issuer cannot be reached. */
  readonly staleForMs: number;
  /** Between two fetches for key ids that nobody knows. */
  readonly cooldownMs: number;
  /** Whether the gateway is ready only once it has keys. */
  readonly startup: "require" | "lazy";
}

export interface ScopeClaims {
  readonly from: readonly string[];
  /** Taken off; `{resource}` in it and in `advertise` stands for that of the endpoint. */
  readonly prefix: string;
  /** Put in front of what clients are told. */
  readonly advertise: string;
  readonly implies: ReadonlyMap<string, readonly string[]>;
}

export type ClaimValue = string | number | boolean;

export interface ClaimTest {
  readonly kind: "any" | "all";
  readonly values: readonly ClaimValue[];
}
