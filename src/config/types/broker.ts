import type { Position } from "../../base/issue.ts";
import type { Secret } from "../../base/secret.ts";
import type { ClientConfig } from "./clients.ts";
import type { RedisConfig } from "./redis.ts";
import type { Listen } from "./server.ts";

/** The embedded authorization server. */
export interface BrokerConfig {
  /** Issuer and origin, e.g. `https://auth.acme.com`. */
  readonly issuer: string;
  /** undefined: on the gateway's own listener, because the issuer is its origin. */
  readonly listen: Listen | undefined;
  readonly upstream: BrokerUpstream;
  readonly registration: {
    /** RFC 7591: whether clients that nobody knows may register. */
    readonly dynamic: "open" | "off";
    /** Client ID metadata documents. */
    readonly documents: {
      /** `any`: of every public host. */
      readonly hosts: "any" | readonly string[];
      /** Hosts among them that may have a private or loopback address. */
      readonly privateHosts: readonly string[];
    };
    readonly clients: ReadonlyMap<string, BrokerClientConfig>;
  };
  readonly redirects: {
    /** The callbacks of well-known MCP clients and of every loopback listener. */
    readonly known: boolean;
    /** Exact URIs. */
    readonly allowed: readonly string[];
  };
  /** `remember`: a person is not asked again in the same browser for the same client and scopes. */
  readonly consent: "always" | "remember";
  readonly store: BrokerStoreConfig;
  /** Issuers whose identity assertions (ID-JAG) are exchanged for tokens. */
  readonly assertionIssuers: readonly { readonly issuer: string; readonly jwksUrl: string }[];
}

/** Where people log in. */
export type BrokerUpstream =
  /** Has the users alice and bob and exists on loopback only. */
  { readonly kind: "dev" } | { readonly kind: "idps"; readonly idps: readonly IdpConfig[] };

/** An identity provider that people log in at. */
export interface IdpConfig {
  readonly name: string;
  /** For people: `Continue with …`. */
  readonly title: string;
  /** The client that the broker is there; names the issuer. */
  readonly client: ClientConfig;
  readonly protocol: "openid" | "oauth2";
  readonly scope: readonly string[];
  /** More parameters of the authorization request. */
  readonly params: ReadonlyMap<string, string>;
  /** Hosts beside the issuer's that its metadata may name. */
  readonly allowedHosts: readonly string[];
  /** For `oauth2`, which has no metadata. */
  readonly endpoints: {
    readonly authorizationUrl: string | undefined;
    readonly tokenUrl: string | undefined;
    readonly userUrl: string | undefined;
    readonly emailsUrl: string | undefined;
    readonly organizationsUrl: string | undefined;
  };
  readonly tokenRequest: "form" | "json";
  /** Ways to what is known about a person, through what the provider says. */
  readonly person: {
    readonly subject: string;
    readonly name: readonly string[];
    readonly email: string;
    readonly emailVerified: string;
    readonly groups: string;
    readonly organization: string;
  };
  /** Claims of our tokens, and the way to their value. */
  readonly claims: ReadonlyMap<string, string>;
  /** undefined: everyone who can log in there. Each rule that is given must hold. */
  readonly allow: AllowConfig | undefined;
  /** `verify`: a refresh asks the provider whether the person still exists and may enter. */
  readonly onRefresh: "verify" | "skip";
  readonly position: Position;
}

export interface AllowConfig {
  /** Any of them; empty: no such rule. */
  readonly emailDomains: readonly string[];
  readonly emailVerified: boolean;
  readonly groups: readonly string[];
  readonly organizations: readonly string[];
}

/** An MCP client that the operator registered by hand. */
export interface BrokerClientConfig {
  readonly id: string;
  /** undefined: a public client. */
  readonly secret: Secret | undefined;
  readonly redirectUris: readonly string[];
}

export type BrokerStoreConfig =
  | { readonly kind: "memory" }
  | {
      readonly kind: "lmdb";
      /** Absolute path. */
      readonly dir: string;
      readonly keys: readonly Secret[];
    }
  | (RedisConfig & { readonly kind: "redis"; readonly keys: readonly Secret[] });
