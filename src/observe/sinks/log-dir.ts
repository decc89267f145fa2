import { closeSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Name of the file that is written to in the directory of a `file` sink. */
export const auditFile = "audit.ndjson";

/** A file that was full or old and is written to no more. */
export interface RotatedFile {
  readonly path: string;
  /** Counts up for as long as the directory lives. */
  readonly number: number;
  readonly compressed: boolean;
}

const pattern = /^audit\.(\d{6,12})\.ndjson(\.gz)?$/;

export function rotatedName(number: number): string {
  return `audit.${String(number).padStart(6, "0")}.ndjson`;
}

/** Oldest first. One that is being compressed is there once, as it was. */
export function listRotated(dir: string): readonly RotatedFile[] {
  const files = new Map<number, RotatedFile>();
  for (const name of namesIn(dir)) {
    const [, digits, gz] = pattern.exec(name) ?? [];
    if (digits === undefined) continue;
    const file = { path: join(dir, name), number: Number(digits), compressed: gz !== undefined };
    if (!file.compressed || !files.has(file.number)) files.set(file.number, file);
  }
  return [...files.values()].toSorted((a, b) => a.number - b.number);
}

/** Every file of the log in the order it was written, the one that is written to last. */
export function listLog(dir: string): readonly string[] {
  const current = namesIn(dir).includes(auditFile) ? [join(dir, auditFile)] : [];
  return [...listRotated(dir).map(({ path }) => path), ...current];
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** A name that was given or taken is on the disk only with its directory. */
export function syncDirectory(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
