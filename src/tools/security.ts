import type { Issue } from "../base/issue.ts";
import { escapeText } from "../base/text.ts";
import type { ApiConfig } from "../config/types/apis.ts";
import type { CredentialConfig } from "../config/types/credential.ts";
import type { ApiDocument, Operation, SecurityScheme } from "../openapi/operation/operation.ts";

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
  for (const operation of operations) {
    const wanted = unmetSecurity(operation, securitySchemes, credential);
    if (wanted !== undefined) unmet.set(wanted, (unmet.get(wanted) ?? 0) + 1);
  }
  return [...unmet].map(([wanted, count]) => ({
    severity: "warning",
    code: "credential_mismatch",
    message: `${count} ${count === 1 ? "operation" : "operations"} of ${id} ${count === 1 ? "asks" : "ask"} for ${wanted}, which its credential does not supply`,
    position,
    help: "the security schemes of the document say what the API expects",
  }));
}

/** What an operation asks for and the credential does not supply, by the names of its schemes. */
export function unmetSecurity(
  { security }: Pick<Operation, "security">,
  schemes: ApiDocument["securitySchemes"],
  credential: CredentialConfig,
): string | undefined {
  if (security.length === 0) return undefined;
  // Alternatives, each of which needs all of its schemes.
  const met = security.some((alternative) =>
    [...alternative.keys()].every((name) => supplies(credential, schemes.get(name))),
  );
  if (met) return undefined;
  const names = security.map((alternative) => [...alternative.keys()].join(" and "));
  return escapeText(names.join(", or "), 200);
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
    case "login":
    case "idJag":
      return scheme === "bearer";
    case "static":
      return (
        credential.in === "header" &&
        credential.name.toLowerCase() === "authorization" &&
        credential.value.reveal().toLowerCase().startsWith(`${scheme} `)
      );
  }
}
