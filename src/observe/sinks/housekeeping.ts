import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Ports } from "../../base/ports.ts";
import type { RotationConfig } from "../../config/types/audit.ts";
import { listRotated, type RotatedFile } from "./log-dir.ts";
import { firstLine } from "./read-lines.ts";

export interface HousekeepingOptions {
  /** Whether nobody still has to read a file. */
  readonly isRead: (file: RotatedFile) => boolean;
  /**
   * Told before a file is removed.
   *
   * @param head SHA-256 of its last line, as the line after it names it.
   */
  readonly onRemove: (file: RotatedFile, head: string) => void;
}

export interface Housekeeping {
  /** To be asked after each rotation. */
  readonly tidy: () => void;
  /** Ends with the file that is at work; the others are done after the next start. */
  readonly close: () => Promise<void>;
}

/**
 * Compresses the files of a rotation and removes those beyond `keep`. The newest stays as it is: the
 * next start reads its end.
 */
export function createHousekeeping(
  dir: string,
  { keep, compress }: RotationConfig,
  { isRead, onRemove }: HousekeepingOptions,
  ports: Ports,
): Housekeeping {
  let closed = false;
  const remove = async (): Promise<void> => {
    const files = listRotated(dir).slice(0, -1);
    const surplus = files.slice(0, Math.max(0, files.length + 1 - keep));
    for (const [i, file] of surplus.entries()) {
      const next = files[i + 1] ?? listRotated(dir).at(-1);
      if (closed || next === undefined || !isRead(file)) return;
      const [, head] = /"prev":"sha256:([0-9a-f]{64})"/.exec(await firstLine(next.path)) ?? [];
      if (head !== undefined) onRemove(file, head);
      await rm(file.path);
    }
  };
  const pack = async (): Promise<void> => {
    if (!compress) return;
    for (const file of listRotated(dir).slice(0, -1)) {
      if (closed) return;
      if (!file.compressed && isRead(file)) await compressFile(file.path);
    }
  };
  let work: Promise<void> | undefined;
  let again = false;
  const run = async (): Promise<void> => {
    while (again) {
      again = false;
      await remove()
        .then(pack)
        .catch((cause: unknown) => ports.log.error("audit_housekeeping_failed", { dir }, cause));
    }
    work = undefined;
  };
  return {
    tidy() {
      again = true;
      work ??= run();
    },
    async close() {
      closed = true;
      await work;
    },
  };
}

/** Under its name there is always one whole file. */
async function compressFile(path: string): Promise<void> {
  const part = `${path}.gz.part`;
  await pipeline(
    createReadStream(path),
    createGzip(),
    createWriteStream(part, { mode: 0o640, flush: true }),
  );
  await rename(part, `${path}.gz`);
  await rm(path);
}
