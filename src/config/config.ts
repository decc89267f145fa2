import type { Issue, Position } from "../base/issue.ts";
import type { JsonValue } from "../base/json.ts";
import type { Secret } from "../base/secret.ts";
import type { StepUp } from "../base/step-up.ts";

/**
 * What gateway.yaml means, with every default filled in and every unit in the name. No field is
 * optional: a part that may be absent is `undefined`, a choice is a union by `kind`.
 */
export interface Config {
  /** Absolute path of gateway.yaml; relative paths inside it start at its directory. */
  readonly file: string;
  /** Absolute paths of every file read so far (gateway.yaml and `${file:…}`): what a reload watches. */
  readonly files: readonly string[];
  readonly server: ServerConfig;
  readonly admin: AdminConfig | undefined;
  readonly metrics: MetricsConfig | undefined;
  readonly auth: AuthConfig;
  /** CEL that must hold for every tool. */
  readonly when: WhenConfig | undefined;
  /** OAuth clients that the gateway itself is, by their name in gateway.yaml. */
  readonly clients: ReadonlyMap<string, ClientConfig>;
  /** PEM keys for `signedJwt`; the first signs. Empty: the gateway makes and changes its own. */
  readonly signingKeys: readonly { readonly key: Secret; readonly position: Position }[];
  readonly broker: BrokerConfig | undefined;
  /** undefined: no API is called with an account that a person connected. */
  readonly connections: ConnectionsConfig | undefined;
  readonly apis: readonly ApiConfig[];
  /** `locked`: only tools that the lock file beside gateway.yaml has serve. */
  readonly trust: "auto" | "locked";
  /** Absolute path of the directory that keeps fetched documents for the next start. */
  readonly specsDir: string;
  readonly endpoints: readonly EndpointConfig[];
  readonly limits: LimitsConfig;
  /** What several gateways with this configuration have in common; undefined: each is alone. */
  readonly replicas: ReplicasConfig | undefined;
  readonly audit: AuditConfig;
  readonly telemetry: {
    /** undefined: no traces. */
    readonly otlp: TracesConfig | undefined;
    /** Names of callers' baggage that APIs are told. */
    readonly baggage: ReadonlySet<string>;
  };
  /** Findings that do not keep the gateway from starting. */
  readonly warnings: readonly Issue[];
}

interface WhenConfig {
  readonly expression: string;
  readonly position: Position;
}

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** PEM. */
export interface TlsConfig {
  /** With those between it and the root, if any. */
  readonly certificate: string;
  readonly key: Secret;
  /** `optional` asks for one and lets callers in without; `required` does not. */
  readonly clientCertificate: "off" | "optional" | "required";
  /** Whose certificates count; undefined: any, because a bound token names its own. */
  readonly clientCa: string | undefined;
}

export interface ServerConfig {
  /** Public origin, e.g. `https://mcp.acme.com`: no path, no trailing slash. Every advertised URL starts with it. */
  readonly url: string;
  readonly listen: Listen;
  /** Of what names its port. */
  readonly listenPosition: Position;
  readonly drain: DrainConfig;
  /** undefined: nobody; every peer is who asks. */
  readonly trustProxy: TrustedProxiesConfig | undefined;
  /** undefined: plain http, with TLS in front of it or on loopback. */
  readonly tls: TlsConfig | undefined;
  /** Host names (no port) accepted in `Host`: that of `url`, the loopback names on a loopback listener, and the configured ones. */
  readonly allowedHosts: readonly string[];
  /** Host names (no scheme, no port) accepted in `Origin`, same defaults. */
  readonly allowedOrigins: readonly string[];
}

/** Who may say for whom it asks. */
export interface TrustedProxiesConfig {
  readonly networks: readonly { readonly address: string; readonly bits: number }[];
  /** The only one that is read: what another proxy would set, a caller can. */
  readonly header: "x-forwarded-for" | "forwarded";
}

/** How the gateway stops. */
interface DrainConfig {
  /** While it still accepts; undefined: 5 s in Kubernetes, else 0. */
  readonly delayMs: number | undefined;
  /** For calls under way. */
  readonly timeoutMs: number;
  /** For all of it. */
  readonly graceMs: number;
}

export interface AdminConfig {
  readonly listen: Listen;
  readonly listenPosition: Position;
}

export interface MetricsConfig {
  readonly listen: Listen;
  readonly listenPosition: Position;
}

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

export interface ClientConfig {
  readonly name: string;
  readonly issuer: string;
  /** undefined: from the issuer's metadata. */
  readonly tokenUrl: string | undefined;
  readonly id: string;
  readonly auth: ClientAuthConfig;
  readonly position: Position;
}

export type ClientAuthConfig =
  /** The token endpoint asks no one who they are: Google's, for tokens of a workload pool. */
  | { readonly kind: "none" }
  | { readonly kind: "client_secret_basic"; readonly secret: Secret }
  | { readonly kind: "client_secret_post"; readonly secret: Secret }
  | {
      readonly kind: "private_key_jwt";
      /** PKCS #8 PEM. undefined only for a client of the embedded broker: the gateway makes a key pair at start. */
      readonly key: Secret | undefined;
      readonly algorithm: string;
      readonly keyId: string | undefined;
      /** PEM of the key's certificate; its thumbprint goes into the header as `x5t#S256`. */
      readonly certificate: string | undefined;
      /** `aud` of the assertion. */
      readonly assertionAudience: "issuer" | "tokenUrl";
    }
  /** RFC 8705 §2: PEM of the certificate and of its key. */
  | { readonly kind: "tls_client_auth"; readonly certificate: string; readonly key: Secret }
  /** Absolute path of a file that the platform keeps filled with a fresh JWT about this workload. */
  | { readonly kind: "workload"; readonly tokenFile: string };

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

/** Accounts that people connect at third parties. */
export interface ConnectionsConfig {
  /** 32 bytes as base64 or hex; the first encrypts. Empty: one that lives as long as the process. */
  readonly keys: readonly Secret[];
  /** Absolute path; undefined: in memory, unless there is a Redis. */
  readonly dir: string | undefined;
  /** Shared by several replicas. */
  readonly redis: RedisConfig | undefined;
  /** How the page of a link finds out who is there. */
  readonly login: { readonly client: string; readonly scope: readonly string[] };
  readonly providers: ReadonlyMap<string, ProviderConfig>;
}

export interface ProviderConfig {
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  readonly client: string;
  /** undefined: from the metadata of the client's issuer. */
  readonly authorizationUrl: string | undefined;
  readonly revocationUrl: string | undefined;
  /** More of the authorization request. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Everything that the APIs with this connection need. */
  readonly scope: readonly string[];
  readonly position: Position;
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

export interface RedisConfig {
  /** Without user and password. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** In front of every key. */
  readonly prefix: string;
}

export interface ApiConfig {
  readonly id: string;
  /** Absolute path of the OpenAPI document, or its URL. */
  readonly spec: string;
  readonly specPosition: Position;
  /** In the order they are applied. */
  readonly overlays: readonly OverlayFile[];
  readonly refs: RefsConfig;
  /** Origin and base path without trailing slash, e.g. `http://courses.internal:8080/v1`; undefined: the document's first server. */
  readonly url: string | undefined;
  readonly server: ServerChoice;
  /** PEM of the only authorities whose certificates it may have; undefined: those that Node trusts. */
  readonly ca: string | undefined;
  /** Hosts that operations with servers of their own may be called on, besides that of the API. */
  readonly allowedHosts: readonly string[];
  readonly credential: CredentialConfig;
  /** Lower-case header names, with the way from the principal to their value. */
  readonly identityHeaders: ReadonlyMap<string, readonly string[]>;
  readonly timeouts: TimeoutsConfig;
  readonly retry: RetryConfig;
  /** Whether an API that does not work is left alone for a while. */
  readonly breaker: boolean;
  /** Calls under way. */
  readonly maxConcurrentCalls: number;
  /** How the API reads a list inside a `deepObject` parameter: `a=1&a=2`, `a[]=1`, `a[0]=1`. */
  readonly deepObjectArrays: "repeat" | "brackets" | "indices";
  /** undefined: none is followed. Hosts have their port unless it is the default one. */
  readonly redirects: { readonly allowedHosts: readonly string[] } | undefined;
  /** The id stands before tool names that no rule gives. */
  readonly prefix: boolean;
  /** Deprecated operations are no tools, unless a rule names one. */
  readonly skipDeprecated: boolean;
  /** CEL that must hold for every tool of this API. */
  readonly when: WhenConfig | undefined;
  readonly keepReadOnly: boolean;
  /** Ordered; the first rule that matches an operation decides. */
  readonly rules: readonly RuleConfig[];
  readonly position: Position;
}

/** Which of the document's servers, and what its variables are. */
export interface ServerChoice {
  /** undefined: the first. */
  readonly select:
    | ((
        | { readonly kind: "name"; readonly name: string }
        | { readonly kind: "description"; readonly description: string }
        | { readonly kind: "index"; readonly index: number }
      ) & { readonly position: Position })
    | undefined;
  readonly variables: ReadonlyMap<string, { readonly value: string; readonly position: Position }>;
}

/** An OpenAPI Overlay document. */
export interface OverlayFile {
  /** Absolute path. */
  readonly file: string;
  /** Where gateway.yaml names it. */
  readonly position: Position;
}

/** What a document's references may lead to, beyond files of its own directory. */
export interface RefsConfig {
  /** Absolute paths of more directories. */
  readonly roots: readonly string[];
  /** Hosts that https references may name. */
  readonly allowHosts: readonly string[];
  /** Hosts among them, and that of `spec`, that may have a private or loopback address. */
  readonly privateHosts: readonly string[];
}

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

/** So many within any such time. */
export interface RateConfig {
  readonly count: number;
  readonly periodMs: number;
}

/** When a request to an API is sent once more. */
export interface RetryConfig {
  /** Beyond the first; 0: it never is. */
  readonly attempts: number;
  /** PUT and DELETE too. */
  readonly unsafe: boolean;
  /** Header whose value is new for every call and the same for all its attempts; undefined: none. */
  readonly idempotencyKey: string | undefined;
}

/** How long an API may take. */
export interface TimeoutsConfig {
  /** For a connection to be there, without TLS. */
  readonly connectMs: number;
  /** From sending to the head of the answer. */
  readonly headersMs: number;
  /** Between two pieces of its body. */
  readonly idleMs: number;
  /** For all of it, every attempt included. */
  readonly totalMs: number;
}

/** How long exchanged tokens and failures are kept. */
interface TokenCacheConfig {
  readonly maxMs: number;
  readonly failureMs: number;
}

export interface RuleConfig {
  readonly select:
    | { readonly kind: "operation"; readonly operation: string }
    | {
        readonly kind: "match";
        readonly tags: readonly string[];
        readonly methods: readonly string[];
        readonly paths: readonly string[];
      };
  readonly expose: boolean;
  readonly name: string | undefined;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly scopes: readonly string[];
  /** Whether a person has to agree to each call; undefined: nobody is asked. */
  readonly confirm: "required" | undefined;
  /** CEL over principal, tool and args, with the position of the expression. */
  readonly when: { readonly expression: string; readonly position: Position } | undefined;
  /** Of the body, lower case without parameters; undefined: the preferred one of those declared. */
  readonly mediaType: string | undefined;
  /** Sends the body that the document gives a GET or HEAD operation. */
  readonly allowGetBody: boolean;
  /** By the argument's name before renaming. */
  readonly args: ReadonlyMap<string, ArgConfig>;
  /** Every property of the body is an argument of its own. */
  readonly flattenBody: boolean;
  readonly annotations: AnnotationsConfig;
  readonly response: ResponseConfig;
  readonly timeouts: Omit<TimeoutsConfig, "connectMs">;
  /** Calls of one tool by one person; undefined: that of all tools. */
  readonly rate: RateConfig | undefined;
  /** Whether what a call sends can leave the company. */
  readonly egress: "internal" | "external";
  /** Calls of one tool under way; undefined: as many as its API takes. */
  readonly maxConcurrentCalls: number | undefined;
  readonly position: Position;
}

/** What the model sees of a success. */
export interface ResponseConfig {
  /** JMESPath, with the position of the expression. */
  readonly select: { readonly expression: string; readonly position: Position } | undefined;
  /** Member names with dots between levels; empty: all are kept. */
  readonly fields: readonly string[];
  /** Names of response headers to tell, as written. */
  readonly headers: readonly string[];
  /** What the tool promises about its answer. */
  readonly schema: "none" | "permissive" | "strict";
  /** Pages that one call may fetch and join. */
  readonly maxPages: number;
  /** Of the text of all blocks, at four characters each. */
  readonly maxTokens: number;
}

/** undefined: what the method says. */
interface AnnotationsConfig {
  readonly readOnly: boolean | undefined;
  readonly destructive: boolean | undefined;
  readonly idempotent: boolean | undefined;
  readonly openWorld: boolean | undefined;
}

export interface ArgConfig {
  /** Where the value comes from: the model, the verified token (hidden), or a constant (hidden). */
  readonly source:
    | { readonly kind: "model" }
    | { readonly kind: "principal"; readonly path: readonly string[] }
    | { readonly kind: "value"; readonly value: JsonValue };
  readonly name: string | undefined;
  readonly description: string | undefined;
  /** Sent when the model gives nothing; undefined: nothing is sent. */
  readonly default: JsonValue | undefined;
  /** What follows `Mcp-Param-` in the header that repeats the argument; undefined: none. */
  readonly header: string | undefined;
  readonly position: Position;
}

/** One MCP endpoint: its own resource and audience, its own tools. */
export interface EndpointConfig {
  /** E.g. `/mcp`. */
  readonly path: string;
  /** Server url + path; the resource indicator (RFC 8707) of this endpoint. */
  readonly resource: string;
  /** Ids of its apis. */
  readonly apis: readonly string[];
  /** Accepted `aud` values in place of those of the issuers; empty: those. */
  readonly audience: readonly string[];
  /** In whose words `tools/list` describes arguments. */
  readonly profile: "default" | "gemini";
}

/** A Redis that all replicas use. */
export interface ReplicasConfig {
  /** Seal what a client takes from one replica to another: the first seals, all open. */
  readonly keys: readonly Secret[];
  /** Without user and password. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** In front of every key. */
  readonly prefix: string;
  /** How long a call waits for its answer. */
  readonly timeoutMs: number;
}

export interface LimitsConfig {
  readonly maxRequestBytes: number;
  /** Of an API's response body, counted after decompression. */
  readonly maxResponseBytes: number;
  /** Calls that wait for a place, of one API or one person, and for how long. */
  readonly queue: number;
  readonly queueMs: number;
  /** Calls under way of one person. */
  readonly maxPrincipalCalls: number;
  /** Calls under way. */
  readonly maxCalls: number;
  readonly rates: {
    readonly principal: RateConfig | undefined;
    readonly client: RateConfig | undefined;
    /** Of one tool by one person. */
    readonly tool: RateConfig | undefined;
    /** Of all tools that reach out of the company by one person. */
    readonly external: RateConfig | undefined;
    /** Requests, whoever sends them. */
    readonly address: RateConfig | undefined;
  };
  /** For a whole call: waiting for a place, the credential and the API. */
  readonly callTimeoutMs: number;
  /** From when on requests are turned away because the event loop is late. */
  readonly shedding: { readonly maxLoopDelayMs: number; readonly afterMs: number };
  /** Of clients, at the public listener. */
  readonly maxConnections: number;
  /** At one endpoint. */
  readonly maxListenStreams: number;
  /** Tokens for APIs that are kept in memory. */
  readonly maxTokens: number;
}

/** Where audit records go. */
export type SinkConfig =
  | {
      readonly kind: "file";
      readonly dir: string;
      /** undefined: the file grows until somebody else moves it. */
      readonly rotation: RotationConfig | undefined;
    }
  | { readonly kind: "stdout" }
  | SyslogConfig
  | WebhookConfig
  | (OtlpConfig & { readonly kind: "otlp" });

/** RFC 5424 over TCP or TLS. */
export interface SyslogConfig {
  readonly kind: "syslog";
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** PEM; undefined: the certificates that Node trusts. */
  readonly ca: string | undefined;
}

export interface WebhookConfig {
  readonly kind: "webhook";
  readonly url: string;
  /** Signs every batch. */
  readonly secret: Secret;
}

/** An OpenTelemetry collector. */
export interface OtlpConfig {
  /** Without trailing slash and without `/v1/…`. */
  readonly endpoint: string;
  readonly headers: ReadonlyMap<string, Secret>;
}

export interface TracesConfig extends OtlpConfig {
  /** Share of traces that are recorded, from 0 to 1. */
  readonly ratio: number;
}

export type ArgsMode =
  /** Size and keyed digest, as every other but `none` has them too. */
  | { readonly kind: "digest" }
  | { readonly kind: "none" }
  | { readonly kind: "full" }
  | {
      readonly kind: "fields";
      /** Names, with dots between levels. */
      readonly fields: readonly string[];
      readonly masks: ReadonlyMap<string, Mask>;
    };

export type Mask = "keep-domain" | "last4";

/** What is not shown of arguments that are. */
export interface RedactConfig {
  /** Names beside the usual ones; `*` at the ends stands for any characters. */
  readonly keys: readonly string[];
  readonly detectors: readonly Detector[];
  /** What the document marks. */
  readonly schema: boolean;
}

export type Detector = "email" | "pan" | "iban" | "jwt" | "aws-key" | "private-key" | "phone";

/** When an audit file ends and what becomes of it. */
export interface RotationConfig {
  readonly maxBytes: number;
  readonly everyMs: number;
  /** Full files that are kept. */
  readonly keep: number;
  readonly compress: boolean;
}

export interface AuditConfig {
  readonly sinks: readonly SinkConfig[];
  /** What records say of arguments. */
  readonly args: {
    readonly default: ArgsMode;
    /** The first pattern that fits a tool's name counts; `*` stands for any characters. */
    readonly tools: readonly { readonly pattern: string; readonly mode: ArgsMode }[];
  };
  /** What they say of answers: their size, and a keyed digest. */
  readonly result: "size" | "digest";
  readonly redact: RedactConfig;
  /** What a record must have reached before its call is answered. */
  readonly durability: "buffered" | "flushed" | "fsync";
  /** Which calls are refused while records cannot be written: all, none, or those that may change something. */
  readonly onFailure: "deny" | "allow" | "deny-unsafe";
  /** Ed25519, PKCS #8 PEM; signs checkpoints. */
  readonly signingKey: Secret | undefined;
}
