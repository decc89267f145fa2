import { CallError } from "../../base/errors.ts";
import type { JsonValue } from "../../base/json.ts";
import type { Principal } from "../../base/principal.ts";
import { claimOf } from "../../tools/values.ts";
import type { Credential } from "./credential-parts.ts";
import type { CredentialParts } from "../request/request.ts";

/** By header name in lower case: the way from the principal to its value, e.g. `claims`, `email`. */
export type IdentityHeaders = ReadonlyMap<string, readonly string[]>;

/**
 * Tells an API who calls in headers of its own, beside its credential. As with a credential, an
 * argument of the same name does not get through.
 */
export function withIdentity(credential: Credential, headers: IdentityHeaders): Credential {
  if (headers.size === 0) return credential;
  /** What was handed out → what it was made from: refusals are about the latter. */
  const origins = new WeakMap<CredentialParts, CredentialParts>();
  const identify = (principal: Principal): readonly string[] =>
    [...headers].flatMap(([name, path]) => [name, encodeValue(name, claimOf(principal, path))]);
  const add = (parts: CredentialParts, identity: readonly string[]): CredentialParts => {
    const made = { ...parts, headers: [...parts.headers, ...identity] };
    origins.set(made, parts);
    return made;
  };
  return {
    get(principal, signal) {
      const identity = identify(principal);
      const parts = credential.get(principal, signal);
      return parts instanceof Promise
        ? parts.then((kept) => add(kept, identity))
        : add(parts, identity);
    },
    invalidate: (principal, refused) =>
      credential.invalidate(principal, origins.get(refused) ?? refused),
  };
}

/**
 * Plain ASCII as it is; anything else percent-encoded as UTF-8, and so are `%`, the comma, because
 * lists are joined by it, and a space at either end: HTTP drops it, and " alice" is not "alice".
 *
 * @throws CallError `credential_unavailable`: control characters, or no text.
 */
function encodeValue(name: string, value: JsonValue): string {
  const values: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  return values
    .map((item) => {
      const text = typeof item === "object" ? "\u0000" : String(item);
      if (/[\p{Cc}\p{Cs}]/u.test(text)) {
        throw new CallError(
          "credential_unavailable",
          `Your login has a value that cannot be sent to the API as header ${name}.`,
        );
      }
      return text.replaceAll(/[^ -~]|[%,]|^ | $/gu, encodeURIComponent);
    })
    .join(",");
}
