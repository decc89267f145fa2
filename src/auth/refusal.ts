import { AuthError } from "../base/errors.ts";

/** Why a token is not believed. The log and the audit read it; the client gets `describeReason`. */
export type TokenReason =
  | "bad_signature"
  | "client_mismatch"
  | "client_not_allowed"
  | "dpop_not_supported"
  | "dpop_required"
  | "expired"
  | "denied_token"
  | "inactive_token"
  | "invalid_client"
  | "invalid_expiry"
  | "invalid_logout"
  | "invalid_scope"
  | "invalid_subject"
  | "invalid_time"
  | "issued_in_future"
  | "lifetime_too_long"
  | "logged_out"
  | "machine_token"
  | "malformed_token"
  | "not_a_logout_token"
  | "not_an_access_token"
  | "not_bound"
  | "not_yet_valid"
  | "sender_constrained"
  | "shared_audience"
  | "token_too_large"
  | "unknown_issuer"
  | "unknown_key"
  | "unsupported_algorithm"
  | "wrong_audience"
  | "wrong_certificate"
  | "wrong_nonce"
  | "wrong_tenant";

/** 401 `invalid_token`. */
export function invalidToken(reason: TokenReason, cause?: unknown): AuthError {
  return new AuthError("invalid_token", reason, cause === undefined ? undefined : { cause });
}

/**
 * The short, stable words of `error_description`. Whether a key exists or only the signature is
 * wrong is nobody's business outside, so both read the same.
 */
export function describeReason(reason: string): string {
  return reason === "unknown_key" ? "bad signature" : reason.replaceAll("_", " ");
}
