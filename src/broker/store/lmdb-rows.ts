import { mkdir } from "node:fs/promises";
import { open } from "lmdb";
import type { Rows } from "./rows.ts";

export interface LmdbRows extends Rows {
  /** Gives the room of ended rows back, up to a thousand of them; done every minute. */
  readonly sweep: () => Promise<void>;
}

const sweepMs = 60_000;
const sweepEntries = 1_000;
const headBytes = 8;

/**
 * Files of one machine. A write resolves once it is on disk, so what a client was told of outlives
 * a killed process and a lost power supply. Several processes may have it open, as `tollgate broker`
 * does beside the gateway.
 */
export async function openLmdbRows(dir: string, now: () => number): Promise<LmdbRows> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const root = open({ path: dir, noSubdir: false, maxDbs: 2, overlappingSync: false });
  const rows = root.openDB<Buffer, string>({ name: "rows", encoding: "binary" });
  /** When which row may go. */
  const ends = root.openDB<Buffer, [number, string]>({ name: "ends", encoding: "binary" });
  const nothing = Buffer.alloc(0);

  /** Reads share a view that lasts until the next turn; a row of a moment ago must be in it. */
  const lookAnew = (): void => root.resetReadTxn();
  const read = (key: string): Buffer | undefined => {
    const kept = rows.get(key);
    return kept === undefined || kept.readDoubleBE(0) <= now() ? undefined : kept;
  };
  const write = (key: string, value: Uint8Array, expiresAt: number): void => {
    const head = Buffer.alloc(headBytes);
    head.writeDoubleBE(expiresAt);
    void rows.put(key, Buffer.concat([head, value]));
    void ends.put([expiresAt, key], nothing);
  };
  const sweep = async (): Promise<void> => {
    await root.transaction(() => {
      // One that was written anew has another end by now.
      for (const { key } of ends.getRange({ end: [now()], limit: sweepEntries })) {
        if (read(key[1]) === undefined) void rows.remove(key[1]);
        void ends.remove(key);
      }
    });
  };
  const timer = setInterval(() => void sweep(), sweepMs);
  timer.unref();

  return {
    sweep,
    async get(key) {
      lookAnew();
      return read(key)?.subarray(headBytes);
    },
    async put(key, value, expiresAt) {
      await root.transaction(() => {
        write(key, value, expiresAt);
      });
    },
    add: (key, value, expiresAt) =>
      root.transaction(() => {
        if (read(key) !== undefined) return false;
        write(key, value, expiresAt);
        return true;
      }),
    take: (key) =>
      root.transaction(() => {
        const kept = read(key);
        if (kept !== undefined) void rows.remove(key);
        return kept?.subarray(headBytes);
      }),
    async delete(key) {
      await rows.remove(key);
    },
    async *list(prefix) {
      lookAnew();
      for (const { key } of rows.getRange({ start: prefix, end: `${prefix}\uffff` })) {
        const kept = read(key);
        if (kept !== undefined) yield [key, kept.subarray(headBytes)];
      }
    },
    async close() {
      clearInterval(timer);
      await root.close();
    },
  };
}
