import type { Position } from "../../base/issue.ts";
import type { ArgConfig } from "./argument.ts";
import type { RateConfig } from "./limits.ts";
import type { ResponseConfig } from "./response.ts";
import type { TimeoutsConfig } from "./timeouts.ts";

/** CEL over principal, tool and args. */
export interface WhenConfig {
  readonly expression: string;
  readonly position: Position;
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
  /** That must hold beside those of the API and of all tools. */
  readonly when: WhenConfig | undefined;
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

/** undefined: what the method says. */
interface AnnotationsConfig {
  readonly readOnly: boolean | undefined;
  readonly destructive: boolean | undefined;
  readonly idempotent: boolean | undefined;
  readonly openWorld: boolean | undefined;
}
