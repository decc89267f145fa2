import { AuthError } from "../base/errors.ts";
import { invalidToken } from "./refusal.ts";

/** Longer tokens are refused unread; Node itself answers 431 from 16 KiB of headers on. */
const maxTokenBytes = 8 * 1024;

/** RFC 9110 §11.2. Every character is ASCII, so length in characters is length in bytes. */
const token68 = /^[A-Za-z0-9\-._~+/]+=*$/;

/** What a request shows of itself. */
export interface Credential {
  readonly scheme: "bearer" | "dpop";
  readonly token: string;
}

/**
 * What shows the access token of a request, unread (RFC 6750 §2.1, RFC 9449 §7.1).
 *
 * @param rawHeaders Node's `rawHeaders`: name, value, name, value. `headers` would hide a second
 *   `Authorization`, of which a proxy in front may have checked the other one.
 * @param query The query string, with or without `?`.
 * @throws AuthError `missing_token` without a credential, `invalid_request` when it is ambiguous.
 */
export function findCredential(rawHeaders: readonly string[], query?: string): string {
  let credentials: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (!isAuthorization(rawHeaders[i]!)) continue;
    if (credentials !== undefined)
      throw new AuthError("invalid_request", "several_authorization_headers");
    credentials = rawHeaders[i + 1]!;
  }
  if (query && namesToken(query)) {
    if (credentials !== undefined) throw new AuthError("invalid_request", "several_credentials");
    throw new AuthError("missing_token", "token_in_query");
  }
  if (credentials === undefined) throw new AuthError("missing_token", "no_token");
  return credentials;
}

/**
 * @throws AuthError `missing_token` without a bearer token, `invalid_request` when the credential is
 *   malformed, `invalid_token` when it cannot be a token.
 */
export function parseCredential(credentials: string): Credential {
  const space = credentials.indexOf(" ");
  const scheme = (space < 0 ? credentials : credentials.slice(0, space)).toLowerCase();
  if (scheme !== "bearer" && scheme !== "dpop")
    throw new AuthError("missing_token", "unsupported_scheme");
  if (space < 0 || space === credentials.length - 1)
    throw new AuthError("missing_token", "empty_token");
  if (credentials[space + 1] === " ")
    throw new AuthError("invalid_request", "malformed_authorization");
  return { scheme, token: checkTokenText(credentials.slice(space + 1)) };
}

/** Every `DPoP` header; there must be one. */
export function readProofs(rawHeaders: readonly string[]): readonly string[] {
  const proofs: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    if (rawHeaders[i]!.toLowerCase() === "dpop") proofs.push(rawHeaders[i + 1]!);
  return proofs;
}

/** @throws AuthError `invalid_token` when the text is no `token68` of acceptable size. */
export function checkTokenText(token: string): string {
  if (token.length > maxTokenBytes) throw invalidToken("token_too_large");
  if (!token68.test(token)) throw invalidToken("malformed_token");
  return token;
}

function isAuthorization(name: string): boolean {
  return name.length === 13 && name.toLowerCase() === "authorization";
}

/** RFC 6750 §2.3 tokens are never read; their presence only decides the answer. */
function namesToken(query: string): boolean {
  return new URLSearchParams(query).has("access_token");
}
