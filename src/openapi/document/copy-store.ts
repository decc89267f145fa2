import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { isJsonObject, type JsonObject } from "../../base/json.ts";
import type { Fetched } from "./remote.ts";

/** The last good remote documents, as they outlive the process. */
export interface CopyStore {
  readonly read: (uri: string) => Promise<Fetched | undefined>;
  /** Keeps these and no others. Never fails: what cannot be kept is fetched at the next start. */
  readonly keep: (copies: ReadonlyMap<string, Fetched>) => Promise<void>;
}

/** For who never starts to serve. */
export const noCopyStore: CopyStore = { read: async () => undefined, keep: async () => {} };

const ending = ".copy";
/** Names that are given here, of halves too: an operator may keep other files beside them. */
const own = /^[0-9a-f]{32}\.copy(?:\.\d+\.part)?$/;
const lineFeed = 0x0a;

/**
 * One file per document: a line of JSON that says what it is, and its bytes. Written beside its
 * place, synced and moved there, so that a crash leaves the old or the new one. Who can write there
 * can say what an API looks like, so nobody else may.
 *
 * @param onNotKept Told the code of the system's error.
 */
export function createCopyStore(dir: string, onNotKept: (code: string) => void): CopyStore {
  const nameOf = (uri: string): string => `${digestOf(Buffer.from(uri)).slice(0, 32)}${ending}`;

  const read: CopyStore["read"] = async (uri) => {
    try {
      return decode(await readFile(join(dir, nameOf(uri))), uri);
    } catch {
      // Absent at the first start; what is broken is worth as little.
      return undefined;
    }
  };
  const write = async (uri: string, copy: Fetched): Promise<void> => {
    const file = join(dir, nameOf(uri));
    const made = encode(uri, copy);
    const known = await readFile(file).catch(() => undefined);
    if (known?.equals(made) === true) return;
    const part = `${file}.${process.pid}.part`;
    const handle = await open(part, "w", 0o600);
    try {
      await handle.writeFile(made);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  };

  return {
    read,
    async keep(copies) {
      try {
        if (copies.size > 0) await mkdir(dir, { recursive: true, mode: 0o700 });
        for (const [uri, copy] of copies) await write(uri, copy);
        const wanted = new Set([...copies.keys()].map(nameOf));
        for (const name of await namesIn(dir))
          if (own.test(name) && !wanted.has(name)) await rm(join(dir, name), { force: true });
      } catch (cause) {
        onNotKept(codeOf(cause));
      }
    },
  };
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    // Made only when there is something to keep.
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

function encode(uri: string, { bytes, validators }: Fetched): Buffer {
  const head = JSON.stringify({ uri, sha256: digestOf(bytes), validators });
  return Buffer.concat([Buffer.from(`${head}\n`), bytes]);
}

/** undefined: it is of another document, or not as it was written. */
function decode(file: Buffer, uri: string): Fetched | undefined {
  const end = file.indexOf(lineFeed);
  const head: unknown = JSON.parse(file.toString("utf8", 0, end));
  const bytes = file.subarray(end + 1);
  if (!isJsonObject(head) || head["uri"] !== uri || head["sha256"] !== digestOf(bytes)) return;
  const { validators } = head;
  return { bytes, validators: isJsonObject(validators) ? textsIn(validators) : {} };
}

function textsIn(object: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(object).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value]] : [],
    ),
  );
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
}
