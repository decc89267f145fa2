import type { AuthError } from "../base/errors.ts";
import type { AdvertiseScopes } from "./metadata.ts";
import { proofAlgorithms } from "./proof.ts";
import { describeReason } from "./refusal.ts";

/** The whole HTTP answer to a caller who is not believed. */
export interface Refusal {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** JSON: `error` and `error_description`. */
  readonly body: string;
}

const retryAfterS = "5";

interface Challenged {
  readonly metadataUrl: string;
  readonly scopes: readonly string[];
  readonly advertise: AdvertiseScopes;
  /** A second challenge names the scheme `DPoP`; in a header of its own, because clients read only the first scheme of one. */
  readonly dpop: boolean;
}

/**
 * Builds the answers of one endpoint. Each 400, 401 and 403 for a scope has exactly one `Bearer` challenge
 * (RFC 6750 §3, RFC 9728 §5.1), because clients read only the first. It has no `error` when no
 * credential came, and names the baseline scopes together with those that were missing, so that the
 * next token fits at once.
 *
 * @param endpoint `metadataUrl` is the endpoint's `ResourceMetadata.url`; `scopes` the baseline.
 */
export function compileChallenge(endpoint: Challenged): (error: AuthError) => Refusal {
  return (error) => {
    const description = describeReason(error.reason);
    const headers: Record<string, string | string[]> = {
      "content-type": "application/json",
      "cache-control": "no-store",
    };
    if (error.code === "temporarily_unavailable") headers["retry-after"] = retryAfterS;
    // No token would change it, and a challenge would make clients ask for one again and again.
    else if (error.code !== "access_denied")
      headers["www-authenticate"] = endpoint.dpop
        ? [challenge(error, description, endpoint), dpopChallenge(error)]
        : challenge(error, description, endpoint);
    const body = JSON.stringify({ error: error.code, error_description: description });
    return { status: error.status, headers, body };
  };
}

function challenge(
  { code, scopes, stepUp }: AuthError,
  description: string,
  endpoint: Challenged,
): string {
  const params: [string, string][] = [];
  const bearerCode = code === "invalid_dpop_proof" ? "invalid_token" : code;
  if (code !== "missing_token") params.push(["error", bearerCode]);
  if (bearerCode === "invalid_token" || code === "invalid_request")
    params.push(["error_description", description]);
  // RFC 9470 §3
  if (stepUp !== undefined && stepUp.acrValues.length > 0)
    params.push(["acr_values", stepUp.acrValues.join(" ")]);
  if (stepUp?.maxAgeS !== undefined) params.push(["max_age", String(stepUp.maxAgeS)]);
  params.push(["resource_metadata", endpoint.metadataUrl]);
  const needed = endpoint.advertise([...new Set([...endpoint.scopes, ...scopes])]);
  if (needed.length > 0 && code !== "invalid_request") params.push(["scope", needed.join(" ")]);
  return `Bearer ${params.map(([name, value]) => `${name}="${quoted(value)}"`).join(", ")}`;
}

/** RFC 9449 §7.1. */
function dpopChallenge({ code }: AuthError): string {
  const error = code === "missing_token" ? "" : `error="${code}", `;
  return `DPoP ${error}algs="${proofAlgorithms.join(" ")}"`;
}

/** RFC 9110 §5.6.4, and nothing that could end the header. */
function quoted(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&");
}
