import type { Position } from "../../base/issue.ts";
import type { CredentialConfig } from "./credential.ts";
import type { RuleConfig, WhenConfig } from "./rule.ts";
import type { TimeoutsConfig } from "./timeouts.ts";

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

/** When a request to an API is sent once more. */
export interface RetryConfig {
  /** Beyond the first; 0: it never is. */
  readonly attempts: number;
  /** PUT and DELETE too. */
  readonly unsafe: boolean;
  /** Header whose value is new for every call and the same for all its attempts; undefined: none. */
  readonly idempotencyKey: string | undefined;
}
