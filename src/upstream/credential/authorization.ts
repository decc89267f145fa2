import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

import type { ClientConfig } from "../../config/types/clients.ts";
import type { IssuerMetadata } from "./issuer-metadata.ts";

/** What a browser must bring back to prove that it is the one that was sent away. */
export interface Departure {
  readonly state: string;
  /** RFC 7636 §4.1. */
  readonly verifier: string;
  /** Into the ID token, where one comes. */
  readonly nonce: string;
}

/** Where the browser of a person goes, and what it says there (RFC 6749 §4.1.1). */
export interface AuthorizationRequest {
  readonly client: ClientConfig;
  /** undefined: from the metadata of the client's issuer. */
  readonly authorizationUrl: string | undefined;
  readonly redirectUri: string;
  readonly scope: readonly string[];
  readonly parameters: ReadonlyMap<string, string>;
}

export function newDeparture(): Departure {
  const random = (): string => randomBytes(32).toString("base64url");
  return { state: random(), verifier: random(), nonce: random() };
}

/** undefined: nobody says where that is. @throws TokenFailure when the metadata is not to be had. */
export async function authorizationUrlFor(
  request: AuthorizationRequest,
  { state, verifier, nonce }: Departure,
  metadata: IssuerMetadata,
): Promise<string | undefined> {
  const { client, redirectUri, scope, parameters } = request;
  const endpoint = request.authorizationUrl ?? (await metadata(client.issuer)).authorizationUrl;
  if (endpoint === undefined) return undefined;
  const url = new URL(endpoint);
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const own = {
    response_type: "code",
    client_id: client.id,
    redirect_uri: redirectUri,
    ...(scope.length === 0 ? {} : { scope: scope.join(" ") }),
    state,
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...(scope.includes("openid") ? { nonce } : {}),
  };
  for (const [name, value] of parameters) url.searchParams.set(name, value);
  for (const [name, value] of Object.entries(own)) url.searchParams.set(name, value);
  return url.href;
}

/** What came back (RFC 6749 §4.1.2), before anybody is asked for a token. */
export type Arrival =
  | { readonly kind: "code"; readonly code: string }
  /** The server, or the person there, said no. Its words are not repeated. */
  | { readonly kind: "refused"; readonly isDenied: boolean }
  | { readonly kind: "foreign"; readonly problem: "wrong_state" | "wrong_issuer" };

/**
 * @param saysIssuer The server promises `iss` (RFC 9207): without it the answer is another server's,
 *   and its code must not be shown to this one (mix-up).
 */
export function readArrival(
  query: URLSearchParams,
  { state }: Pick<Departure, "state">,
  { issuer, saysIssuer }: { readonly issuer: string; readonly saysIssuer: boolean },
): Arrival {
  const one = (name: string): string | undefined => {
    const values = query.getAll(name);
    return values.length === 1 ? values[0] : undefined;
  };
  if (!sameText(one("state") ?? "", state)) return { kind: "foreign", problem: "wrong_state" };
  const told = query.has("iss") ? (one("iss") ?? "") : undefined;
  if (told === undefined ? saysIssuer : told !== issuer)
    return { kind: "foreign", problem: "wrong_issuer" };
  const code = one("code");
  if (query.has("error") || code === undefined || code === "")
    return { kind: "refused", isDenied: one("error") === "access_denied" };
  return { kind: "code", code };
}

export function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
