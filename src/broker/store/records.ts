import { createHash } from "node:crypto";
import type { Rows } from "./rows.ts";

/** What kind of thing a record is; the first part of its key. */
export type Kind =
  | "account"
  | "alive"
  | "approval"
  | "assertion"
  | "client"
  | "consent"
  | "consumed"
  | "ended"
  | "finish"
  | "key"
  | "login"
  | "lock"
  | "newcomer"
  | "seed"
  | "uid"
  | "vault"
  /** A model of oidc-provider. */
  | `op-${string}`;

/**
 * JSON on top of rows. Ids are hashed on their way into a key, because some of them are the
 * secret that they stand for (a refresh token, a code), and a dump of keys must be worth nothing.
 */
export interface Records {
  readonly get: <T>(kind: Kind, id: string) => Promise<T | undefined>;
  /** @param expiresAt Milliseconds since the epoch. */
  readonly put: (kind: Kind, id: string, record: object, expiresAt: number) => Promise<void>;
  /** @returns false when there is one already. */
  readonly add: (kind: Kind, id: string, record: object, expiresAt: number) => Promise<boolean>;
  readonly take: <T>(kind: Kind, id: string) => Promise<T | undefined>;
  readonly delete: (kind: Kind, id: string) => Promise<void>;
  readonly list: <T>(kind: Kind) => AsyncIterable<T>;
  readonly close: () => Promise<void>;
}

interface Kept {
  readonly record: unknown;
  readonly expiresAt: number;
}

/** @param now Decides what has ended; the clock of the rows only tidies up. */
export function createRecords(rows: Rows, now: () => number): Records {
  const read = (bytes: Uint8Array | undefined): unknown => {
    if (bytes === undefined) return undefined;
    const { record, expiresAt } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Kept;
    return expiresAt > now() ? record : undefined;
  };
  const write = (record: object, expiresAt: number): Uint8Array =>
    Buffer.from(JSON.stringify({ record, expiresAt }));
  return {
    get: async <T>(kind: Kind, id: string) =>
      read(await rows.get(keyOf(kind, id))) as T | undefined,
    put: (kind, id, record, expiresAt) =>
      rows.put(keyOf(kind, id), write(record, expiresAt), expiresAt),
    async add(kind, id, record, expiresAt) {
      const key = keyOf(kind, id);
      const bytes = write(record, expiresAt);
      if (await rows.add(key, bytes, expiresAt)) return true;
      // One that has ended by our clock and is only not tidied up yet.
      if (read(await rows.get(key)) !== undefined) return false;
      await rows.delete(key);
      return rows.add(key, bytes, expiresAt);
    },
    take: async <T>(kind: Kind, id: string) =>
      read(await rows.take(keyOf(kind, id))) as T | undefined,
    delete: (kind, id) => rows.delete(keyOf(kind, id)),
    async *list<T>(kind: Kind) {
      for await (const [, bytes] of rows.list(`${kind}/`)) {
        const record = read(bytes) as T | undefined;
        if (record !== undefined) yield record;
      }
    },
    close: rows.close,
  };
}

function keyOf(kind: Kind, id: string): string {
  return `${kind}/${digest(id)}`;
}

/** Of something with enough randomness, or that is no secret. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
