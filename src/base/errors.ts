import type { StepUp } from "./step-up.ts";
import { compareIssues, formatPosition, type Issue } from "./issue.ts";

/**
 * The configuration, or a document it names, cannot be used. For the operator: carries every
 * finding at once, sorted by position. The command line prints them and exits with 78.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[], options?: ErrorOptions) {
    const sorted = issues.toSorted(compareIssues);
    super(sorted.map(describeIssue).join("\n"), options);
    this.issues = sorted;
  }
}

/** `file:line:column severity code message`, one line. */
export function describeIssue(issue: Issue): string {
  const at = issue.position ? `${formatPosition(issue.position)} ` : "";
  const help = issue.help ? ` (${issue.help})` : "";
  return `${at}${issue.severity} ${issue.code} ${issue.message}${help}`;
}

export type AuthCode =
  | "missing_token"
  | "invalid_token"
  | "invalid_dpop_proof"
  | "invalid_request"
  | "insufficient_scope"
  | "insufficient_user_authentication"
  | "access_denied"
  | "temporarily_unavailable";

const authStatus = {
  missing_token: 401,
  invalid_token: 401,
  invalid_dpop_proof: 401,
  invalid_request: 400,
  insufficient_scope: 403,
  insufficient_user_authentication: 401,
  access_denied: 403,
  temporarily_unavailable: 503,
} as const satisfies Record<AuthCode, number>;

/**
 * The caller is not believed or lacks a scope. For the HTTP client: `status` and `challenge` are
 * the whole answer. `reason` names the failed check for log and audit; it never quotes the token.
 */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthCode;
  readonly status: 400 | 401 | 403 | 503;
  /** Stable and snake_case, e.g. `wrong_audience`. */
  readonly reason: string;
  /** Scopes the operation needs; only with `insufficient_scope`. */
  readonly scopes: readonly string[];
  /** Only with `insufficient_user_authentication`. */
  readonly stepUp: StepUp | undefined;

  constructor(
    code: AuthCode,
    reason: string,
    options?: ErrorOptions & { readonly scopes?: readonly string[]; readonly stepUp?: StepUp },
  ) {
    super(`${code}: ${reason}`, options);
    this.code = code;
    this.status = authStatus[code];
    this.reason = reason;
    this.scopes = options?.scopes ?? [];
    this.stepUp = options?.stepUp;
  }
}

export type CallCode =
  | "audit_unavailable"
  | "invalid_arguments"
  | "not_permitted"
  | "breaker_open"
  | "busy"
  | "cancelled"
  | "confirmation_declined"
  | "confirmation_required"
  | "confirmation_unavailable"
  | "connection_required"
  | "credential_unavailable"
  | "gateway_misconfigured"
  | "rate_limited"
  | "select_timeout"
  | "temporarily_unavailable"
  | "upstream_error"
  | "upstream_protocol"
  | "upstream_timeout"
  | "upstream_tls"
  | "upstream_too_large"
  | "upstream_unauthorized"
  | "upstream_unreachable";

/** A page that the person must visit before a call can succeed. */
export interface Errand {
  /** Of the gateway. Good for one person, once, for ten minutes. */
  readonly url: string;
  /** What for, in words for the person. */
  readonly reason: string;
}

/** What a person must agree to before a call is sent. */
export interface Question {
  /** For the person: the tool and its arguments, without what is secret. */
  readonly message: string;
  /** Of the message: what was agreed to once is not agreed to in other words. */
  readonly digest: string;
}

/**
 * One tool call failed in a way the model may read about. `message` is written in the tool's
 * argument names and holds no host, stack, token or credential; only the log reads `cause`.
 */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: CallCode;
  /** Milliseconds after which trying again may help; undefined when nothing says so. */
  readonly retryAfterMs: number | undefined;
  /** What the person has to do in a browser first; only with `connection_required`. */
  readonly errand: Errand | undefined;
  /** Only with `confirmation_required`. */
  readonly question: Question | undefined;

  constructor(
    code: CallCode,
    message: string,
    options?: ErrorOptions & {
      readonly retryAfterMs?: number;
      readonly errand?: Errand;
      readonly question?: Question;
    },
  ) {
    super(message, options);
    this.code = code;
    this.errand = options?.errand;
    this.question = options?.question;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/**
 * No tool of this name for this caller: it does not exist, or policy hides it, with the same text
 * for both. JSON-RPC −32602.
 */
export class UnknownToolError extends Error {
  override readonly name = "UnknownToolError";

  constructor(tool: string) {
    super(`Unknown tool: ${tool.slice(0, 128)}`);
  }
}
