import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import type { ByteStore } from "../../base/byte-store.ts";

/** Behind the name of an entry that is being written. */
const temporary = ".tmp";
const endBytes = 8;
const sweepMs = 60_000;

/**
 * One file per entry, for a gateway that runs once: written beside its place, synced and moved
 * there, so that a crash leaves the old or the new one. Nobody else may read the directory.
 */
export async function openFileStore(directory: string, now: () => number): Promise<ByteStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const fileOf = (key: string): string => join(directory, encodeURIComponent(key));
  let sweptAt = Number.NEGATIVE_INFINITY;

  const read = async (file: string): Promise<Entry | undefined> => {
    const bytes = await readFile(file).catch((error: unknown) => {
      if (isCode(error, "ENOENT")) return undefined;
      throw error;
    });
    return bytes === undefined || bytes.length < endBytes ? undefined : decode(bytes);
  };
  const find = async (key: string): Promise<Uint8Array | undefined> => {
    const entry = await read(fileOf(key));
    return entry !== undefined && entry.expiresAt > now() ? entry.value : undefined;
  };
  /** Of the directory: a moved file is there after a crash only when its new name is. */
  const sync = async (): Promise<void> => {
    const handle = await open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  };
  const write = async (entry: Entry): Promise<string> => {
    const file = join(directory, `${randomBytes(12).toString("hex")}${temporary}`);
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(encode(entry));
      await handle.sync();
    } finally {
      await handle.close();
    }
    return file;
  };
  /** Entries that have ended, and what a crash left half written. */
  const sweep = async (): Promise<void> => {
    if (now() - sweptAt < sweepMs) return;
    sweptAt = now();
    for (const name of await readdir(directory)) {
      const entry = name.endsWith(temporary) ? undefined : await read(join(directory, name));
      if (entry !== undefined && entry.expiresAt <= now()) await rm(join(directory, name));
    }
  };
  for (const name of await readdir(directory))
    if (name.endsWith(temporary)) await rm(join(directory, name), { force: true });

  return {
    get: find,
    async put(key, value) {
      await rename(await write({ value, expiresAt: Number.POSITIVE_INFINITY }), fileOf(key));
      await sync();
    },
    async add(key, value, expiresAt) {
      await sweep();
      if ((await find(key)) === undefined) await rm(fileOf(key), { force: true });
      const file = await write({ value, expiresAt });
      try {
        // Fails when the name is taken, which a rename would not.
        await link(file, fileOf(key));
        await sync();
        return true;
      } catch (error) {
        if (isCode(error, "EEXIST")) return false;
        throw error;
      } finally {
        await rm(file, { force: true });
      }
    },
    async delete(key) {
      await rm(fileOf(key), { force: true });
      await sync();
    },
    async list(prefix) {
      const names = (await readdir(directory)).filter((name) => !name.endsWith(temporary));
      const keys = names.map(decodeURIComponent).filter((key) => key.startsWith(prefix));
      const found = await Promise.all(keys.map(find));
      return keys.filter((_, i) => found[i] !== undefined);
    },
    async close() {},
  };
}

interface Entry {
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

function encode({ value, expiresAt }: Entry): Buffer {
  const end = Buffer.alloc(endBytes);
  end.writeDoubleBE(expiresAt);
  return Buffer.concat([end, value]);
}

function decode(bytes: Buffer): Entry {
  return { expiresAt: bytes.readDoubleBE(0), value: bytes.subarray(endBytes) };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
