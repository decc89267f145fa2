import { randomBytes } from "node:crypto";

import type { ByteStore } from "../../base/byte-store.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { Principal } from "../../base/principal.ts";
import type { Sealer } from "../../base/seal.ts";

const lifetimeMs = 10 * 60_000;

/** Sealed texts that people and clients carry for a while and bring back, each once. */
export interface Tickets {
  /** @param place What it is for; one for something else does not open. */
  readonly issue: (place: string, content: JsonObject) => string;
  /** undefined: changed, of another place or gateway, or ended. */
  readonly read: (place: string, ticket: string) => Ticket | undefined;
  /** Whether it still is good; looking does not end it. */
  readonly isUnused: (ticket: Ticket) => Promise<boolean>;
  /** Ends it. false: that was done before. */
  readonly use: (ticket: Ticket) => Promise<boolean>;
}

export interface Ticket {
  readonly content: JsonObject;
  readonly nonce: string;
  readonly expiresAt: number;
}

/** Longer ones are nobody's of ours. */
const maxLength = 8_192;

export function createTickets(
  { store, sealer }: { readonly store: Pick<ByteStore, "get" | "add">; readonly sealer: Sealer },
  now: () => number,
): Tickets {
  const markOf = ({ nonce }: Ticket): string => `used/${nonce}`;
  return {
    issue(place, content) {
      const nonce = randomBytes(16).toString("hex");
      const text = JSON.stringify({ content, nonce, expiresAt: now() + lifetimeMs });
      return sealer.seal(Buffer.from(text), place).toString("base64url");
    },
    read(place, ticket) {
      if (ticket.length > maxLength) return undefined;
      const sealed = Buffer.from(ticket, "base64url");
      // Sloppy base64 would be a second spelling of the same ticket.
      const text = sealed.toString("base64url") === ticket ? sealer.open(sealed, place) : undefined;
      const read = text && decode(text);
      return read && read.expiresAt > now() ? read : undefined;
    },
    isUnused: async (ticket) => (await store.get(markOf(ticket))) === undefined,
    use: (ticket) => store.add(markOf(ticket), new Uint8Array(), ticket.expiresAt),
  };
}

function decode(text: Buffer): Ticket | undefined {
  const value = JSON.parse(text.toString()) as JsonValue;
  if (!isJsonObject(value)) return undefined;
  const { content, nonce, expiresAt } = value;
  return isJsonObject(content) && typeof nonce === "string" && typeof expiresAt === "number"
    ? { content, nonce, expiresAt }
    : undefined;
}

/** Whether a ticket that names a person was made for this one. */
export function isFor({ content }: Ticket, { iss, sub }: Pick<Principal, "iss" | "sub">): boolean {
  return content["iss"] === iss && content["sub"] === sub;
}
