import type { Principal } from "../../base/principal.ts";
import { readJwtClaims } from "./jwt-claims.ts";
import type { CredentialParts } from "../request/request.ts";
import type { TokenReply } from "./token-endpoint.ts";

const maxKeptMs = 10 * 60_000;
const unknownLifetimeMs = 60_000;
/** A token must not end between here and the API. */
const marginMs = 30_000;

/** A token as it is kept. All moments in milliseconds since the epoch. */
export interface Grant {
  readonly parts: CredentialParts;
  /** In the past for a token too short-lived to keep: it serves only those who waited for it. */
  readonly expiresAt: number;
  /** What the person granted; undefined where nobody asks. */
  readonly scope?: readonly string[];
  /** From here on a new one may be fetched while this one serves. */
  readonly refreshAt: number;
  /** Whose token it was made from; undefined: it is the gateway's own. */
  readonly holder: Principal | undefined;
}

/**
 * @param requestedAt Before the request was sent: the lifetime counts from the server's answer.
 * @param holder Of the subject token, which it does not outlive.
 * @param maxMs Kept no longer than this.
 */
export function toGrant(
  reply: TokenReply,
  requestedAt: number,
  holder: Principal | undefined,
  maxMs: number = maxKeptMs,
): Grant {
  const endsBy = holder?.expiresAt ?? Infinity;
  const expiresAt = Math.min(tokenEnd(reply, requestedAt), requestedAt + maxMs, endsBy);
  return {
    // RFC 6750 §2.1
    parts: { headers: ["authorization", `Bearer ${reply.accessToken}`], query: "", cookie: "" },
    expiresAt,
    refreshAt: requestedAt + (expiresAt - requestedAt) * 0.8,
    holder,
  };
}

/** The token in such parts. */
export function bearerOf({ headers }: CredentialParts): string {
  return (headers[1] ?? "").slice("Bearer ".length);
}

function tokenEnd({ accessToken, expiresInMs }: TokenReply, requestedAt: number): number {
  const byReply = expiresInMs === undefined ? Infinity : requestedAt + expiresInMs;
  const end = Math.min(byReply, jwtExpiry(accessToken));
  return end === Infinity ? requestedAt + unknownLifetimeMs : end - marginMs;
}

function jwtExpiry(token: string): number {
  const exp = readJwtClaims(token)?.["exp"];
  return typeof exp === "number" ? exp * 1000 : Infinity;
}
