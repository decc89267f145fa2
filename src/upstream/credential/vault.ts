import { createHash } from "node:crypto";

import type { ByteStore } from "../../base/byte-store.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { Log } from "../../base/ports.ts";
import type { Principal } from "../../base/principal.ts";
import type { Sealer } from "../../base/seal.ts";
import { Secret } from "../../base/secret.ts";
import type { InTurn } from "../../base/turns.ts";

/** Who connected what. */
export interface Owner extends Pick<Principal, "iss" | "sub"> {
  readonly provider: string;
}

/** What a third party gave for one person. All moments in milliseconds since the epoch. */
export interface Connection {
  readonly accessToken: Secret;
  /** undefined: there is none, and when the access token ends the person must connect again. */
  readonly refreshToken: Secret | undefined;
  readonly scope: readonly string[];
  /** undefined: the third party does not say. */
  readonly expiresAt: number | undefined;
}

/** Connected accounts: one row for each person and third party, readable only in its own place. */
export interface Vault {
  readonly get: (owner: Owner) => Promise<Connection | undefined>;
  /** Kept once it resolves. */
  readonly put: (owner: Owner, connection: Connection) => Promise<void>;
  readonly delete: (owner: Owner) => Promise<void>;
  /** Nobody else changes the row meanwhile, as far as this process goes. */
  readonly alone: <T>(owner: Owner, work: () => Promise<T>) => Promise<T>;
  /** Encrypts with the current key what an older one encrypted. @returns How many rows were. */
  readonly rekey: () => Promise<number>;
}

const prefix = "connection/";

/** The name of a row tells nobody whose it is. JSON keeps the borders between the parts. */
function rowOf({ iss, sub, provider }: Owner): string {
  const owner = JSON.stringify([iss, sub, provider]);
  return `${prefix}${createHash("sha256").update(owner).digest("hex")}`;
}

/** Where the rows are. Outlives a reload, or two configurations would change a row at the same time. */
export interface Rows {
  readonly store: ByteStore;
  readonly inTurn: InTurn;
}

/** @param sealer For this purpose only; the place of a row is its name, so a copy elsewhere is junk. */
export function createVault({ store, inTurn }: Rows, sealer: Sealer, log: Log): Vault {
  const write = (row: string, text: Uint8Array): Promise<void> =>
    store.put(row, sealer.seal(text, row));
  /** A row that cannot be read is one that is not there: connecting again replaces it. */
  const read = (row: string, sealed: Uint8Array): Buffer | undefined => {
    const text = sealer.open(sealed, row);
    if (text === undefined) log.error("vault_row_unreadable", { row });
    return text;
  };
  /** @returns Whether there was anything to do. */
  const rekeyRow = async (row: string): Promise<boolean> => {
    const sealed = await store.get(row);
    if (sealed === undefined || sealer.isCurrent(sealed)) return false;
    const text = read(row, sealed);
    if (text === undefined) return false;
    await write(row, text);
    return true;
  };
  return {
    async get(owner) {
      const row = rowOf(owner);
      const sealed = await store.get(row);
      const text = sealed && read(row, sealed);
      return text && decode(text);
    },
    put: (owner, connection) => write(rowOf(owner), encode(connection)),
    delete: (owner) => store.delete(rowOf(owner)),
    alone: (owner, work) => inTurn(rowOf(owner), work),
    async rekey() {
      let count = 0;
      for (const row of await store.list(prefix))
        if (await inTurn(row, () => rekeyRow(row))) count++;
      return count;
    },
  };
}

function encode({ accessToken, refreshToken, scope, expiresAt }: Connection): Buffer {
  const row: JsonObject = {
    accessToken: accessToken.reveal(),
    refreshToken: refreshToken?.reveal() ?? null,
    scope,
    expiresAt: expiresAt ?? null,
  };
  return Buffer.from(JSON.stringify(row));
}

/** Only what `encode` wrote opens, so its shape is known. */
function decode(text: Buffer): Connection | undefined {
  const row = JSON.parse(text.toString()) as JsonValue;
  if (!isJsonObject(row)) return undefined;
  const { accessToken, refreshToken, scope, expiresAt } = row;
  if (typeof accessToken !== "string") return undefined;
  return {
    accessToken: new Secret(accessToken),
    refreshToken: typeof refreshToken === "string" ? new Secret(refreshToken) : undefined,
    scope: Array.isArray(scope) ? scope.filter((name) => typeof name === "string") : [],
    expiresAt: typeof expiresAt === "number" ? expiresAt : undefined,
  };
}
