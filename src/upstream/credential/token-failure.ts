import { CallError, type CallCode } from "../../base/errors.ts";
import type { Log } from "../../base/ports.ts";
import type { StepUp } from "../../base/step-up.ts";

/** What a failure of the token endpoint means here. */
interface Meaning {
  readonly call: Extract<
    CallCode,
    "credential_unavailable" | "gateway_misconfigured" | "not_permitted" | "temporarily_unavailable"
  >;
  /** An answer about this grant, which will be the same for a while: kept for 5 s. */
  readonly kept: boolean;
  /** The endpoint, or our way to it, is broken for everyone: counts towards the circuit. */
  readonly outage: boolean;
}

const denied: Meaning = { call: "gateway_misconfigured", kept: true, outage: false };
const misfit: Meaning = { call: "gateway_misconfigured", kept: false, outage: false };
const broken: Meaning = { call: "gateway_misconfigured", kept: false, outage: true };
const away: Meaning = { call: "temporarily_unavailable", kept: false, outage: true };
const login: Meaning = { call: "credential_unavailable", kept: false, outage: false };

/** RFC 6749 §4.1.2.1 and §5.2, RFC 8693 §2.2.2, OpenID Connect Core §3.1.2.6. */
type TokenErrorCode =
  | "invalid_grant"
  | "invalid_scope"
  | "invalid_target"
  | "unauthorized_client"
  | "access_denied"
  | "invalid_request"
  | "unsupported_grant_type"
  | "invalid_client"
  | "insufficient_user_authentication"
  | "interaction_required"
  | "consent_required"
  | "login_required"
  | "server_error"
  | "temporarily_unavailable";

/** Stable and snake_case. */
export type TokenFailureCode =
  | TokenErrorCode
  | "assertion_refused"
  | "exchange_echo"
  | "wrong_issued_token_type"
  | "wrong_token_type"
  | "scope_widened"
  | "wrong_audience"
  | "unsafe_token"
  | "issuer_mismatch"
  | "no_metadata"
  | "foreign_token_endpoint"
  | "insecure_token_endpoint"
  | "redirected"
  | "unexpected_status"
  | "unknown_error"
  | "malformed_reply"
  | "reply_too_large"
  | "rate_limited"
  | "timeout"
  | "unreachable"
  | "workload_token_unreadable"
  | "circuit_open";

const answered: Record<TokenErrorCode, Meaning> = {
  invalid_grant: { ...login, kept: true },
  invalid_scope: denied,
  invalid_target: denied,
  unauthorized_client: denied,
  access_denied: { call: "not_permitted", kept: true, outage: false },
  invalid_request: misfit,
  unsupported_grant_type: misfit,
  invalid_client: broken,
  insufficient_user_authentication: login,
  interaction_required: login,
  consent_required: login,
  login_required: login,
  server_error: away,
  temporarily_unavailable: away,
};

const meanings: Record<TokenFailureCode, Meaning> = {
  ...answered,
  // a token that is not to be used
  assertion_refused: { ...login, kept: true },
  exchange_echo: misfit,
  wrong_issued_token_type: misfit,
  wrong_token_type: misfit,
  scope_widened: misfit,
  unknown_error: misfit,
  wrong_audience: misfit,
  unsafe_token: misfit,
  // metadata and transport
  issuer_mismatch: broken,
  no_metadata: broken,
  foreign_token_endpoint: broken,
  insecure_token_endpoint: broken,
  redirected: broken,
  unexpected_status: broken,
  workload_token_unreadable: misfit,
  malformed_reply: away,
  reply_too_large: away,
  rate_limited: away,
  timeout: away,
  unreachable: away,
  circuit_open: away,
};

/** Any other text in `error` of a token response is not repeated anywhere. */
export function isTokenErrorCode(code: unknown): code is TokenErrorCode {
  return typeof code === "string" && Object.hasOwn(answered, code);
}

interface FailureDetails {
  readonly retryAfterMs?: number | undefined;
  readonly system?: string | undefined;
  readonly stepUp?: StepUp | undefined;
}

/** No token was obtained. Stays inside this room; carries no text of the authorization server. */
export class TokenFailure extends Error {
  override readonly name = "TokenFailure";
  readonly code: TokenFailureCode;
  /** `Retry-After` of the answer, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Error code of the socket or TLS layer, e.g. `ECONNREFUSED`. */
  readonly system: string | undefined;
  /** How the person must log in, if the server says so. */
  readonly stepUp: StepUp | undefined;

  constructor(code: TokenFailureCode, details?: FailureDetails) {
    super(code);
    this.code = code;
    this.retryAfterMs = details?.retryAfterMs;
    this.system = details?.system;
    this.stepUp = details?.stepUp;
  }
}

export function isKept(failure: TokenFailure): boolean {
  return meanings[failure.code].kept;
}

/** The person must do something in a browser. */
export function wantsPerson({ code }: TokenFailure): boolean {
  return personCodes.has(code);
}

const personCodes: ReadonlySet<TokenFailureCode> = new Set([
  "consent_required",
  "insufficient_user_authentication",
  "interaction_required",
  "login_required",
]);

export function isOutage(failure: TokenFailure): boolean {
  return meanings[failure.code].outage;
}

/** The same failure in words for the model, who can neither see nor repair the login service. */
export function explainFailure(api: string, failure: TokenFailure): CallError {
  const call = meanings[failure.code].call;
  const wait = failure.retryAfterMs;
  const texts: Record<Meaning["call"], string> = {
    credential_unavailable: `The login service gives no token for the API ${api} on this login. The person may have to sign in again.`,
    gateway_misconfigured: `The gateway gets no credential for the API ${api}: its configuration or the login service's is wrong. Its operator finds the reason in the log; trying again does not help.`,
    not_permitted: `The login service does not permit this person to use the API ${api}.`,
    temporarily_unavailable: `The login service for the API ${api} is temporarily unavailable. Try again ${wait === undefined ? "later" : `in ${Math.ceil(wait / 1000)} s`}.`,
  };
  return new CallError(call, texts[call], {
    cause: failure,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

/** One line per failed request, however many callers waited for it. */
export function logFailure(
  log: Log,
  source: { readonly api: string; readonly client: string },
  failure: TokenFailure,
): void {
  const level = meanings[failure.code].call === "gateway_misconfigured" ? "error" : "warn";
  log[level]("token_request_failed", {
    api: source.api,
    client: source.client,
    code: failure.code,
    ...(failure.system === undefined ? {} : { system: failure.system }),
  });
}
