import type { Issue } from "../base/issue.ts";
import { escapeText } from "../base/text.ts";
import type { ApiConfig, CredentialConfig } from "../config/config.ts";
import type { ApiDocument, Operation, SecurityScheme } from "../openapi/operation.ts";

/**
 * Operations whose security the API's credential does not satisfy: one finding for each set of
 * schemes, because a document usually says the same of all its operations. A warning, since the
 * document may describe another door than the one the gateway takes.
 */
export function checkSecurity(
  { id, credential, position }: ApiConfig,
  { securitySchemes }: ApiDocument,
  operations: readonly Operation[],
): readonly Issue[] {
  const unmet = new Map<string, number>();
  for (const { security } of operations) {
    if (security.length === 0) continue;
    // Alternatives, each of which needs all of its schemes.
    const met = security.some((alternative) =>
      [...alternative.keys()].every((name) => supplies(credential, securitySchemes.get(name))),
    );
    if (met) continue;
    const wanted = security
      .map((alternative) => [...alternative.keys()].join(" and "))
      .join(", or ");
    unmet.set(wanted, (unmet.get(wanted) ?? 0) + 1);
  }
  return [...unmet].map(([wanted, count]) => ({
    severity: "warning",
    code: "credential_mismatch",
    message: `${count} ${count === 1 ? "operation" : "operations"} of ${id} ${count === 1 ? "asks" : "ask"} for ${escapeText(wanted, 200)}, which its credential does not supply`,
    position,
    help: "the security schemes of the document say what the API expects",
  }));
}

/** A scheme that the document does not define says nothing that could be missing. */
function supplies(credential: CredentialConfig, scheme: SecurityScheme | undefined): boolean {
  if (scheme === undefined) return true;
  switch (scheme.kind) {
    case "oauth2":
    case "openIdConnect":
      return sends(credential, "bearer");
    case "http":
      return sends(credential, scheme.scheme);
    case "apiKey":
      return (
        credential.kind === "static" &&
        credential.in === scheme.in &&
        (scheme.in === "header"
          ? credential.name.toLowerCase() === scheme.name.toLowerCase()
          : credential.name === scheme.name)
      );
    case "mutualTLS":
      return false;
  }
}

/** Whether the credential is an `Authorization` of this scheme (RFC 9110 §11.4). */
function sends(credential: CredentialConfig, scheme: string): boolean {
  switch (credential.kind) {
    case "none":
      return false;
    case "exchange":
    case "signedJwt":
    case "clientCredentials":
    case "connection":
      return scheme === "bearer";
    case "static":
      return (
        credential.in === "header" &&
        credential.name.toLowerCase() === "authorization" &&
        credential.value.reveal().toLowerCase().startsWith(`${scheme} `)
      );
  }
}
