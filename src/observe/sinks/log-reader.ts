import { closeSync, openSync, readSync, statSync } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { auditFile, listRotated, type RotatedFile } from "./log-dir.ts";

/** A place in the log that survives renaming of its files. */
export interface Position {
  /** `id` of the first record of the file. */
  readonly first: string;
  /** Bytes of it that were read. */
  readonly offset: number;
}

interface Piece {
  readonly lines: readonly string[];
  /** After these lines. */
  readonly next: Position;
}

/** Reads the files of a log in the order they were written, over rotations. */
export interface LogReader {
  /** Whole lines; undefined when there is nothing new. */
  readonly read: (maxLines: number) => Promise<Piece | undefined>;
  /** Goes back. @returns Whether that place is still there; else the oldest line comes next. */
  readonly seek: (position: Position | undefined) => Promise<boolean>;
  /** Whether it will not come back to a file. */
  readonly isPast: (file: RotatedFile) => boolean;
  /** Bytes that were not read yet. */
  readonly behind: () => number;
  readonly close: () => Promise<void>;
}

/** Larger than any line. */
const pieceBytes = 524_288;

/** Compressed files are not read: a file is compressed only after everybody read it. */
export function createLogReader(dir: string): LogReader {
  const current = join(dir, auditFile);
  let handle: FileHandle | undefined;
  let ino = 0;
  let first: string | undefined;
  let offset = 0;

  const full = (): readonly RotatedFile[] => listRotated(dir).filter((file) => !file.compressed);
  /** Of the open file; infinite for the one that is written to. */
  const ownNumber = (): number => {
    if (handle === undefined) return 0;
    return full().find(({ path }) => inodeOf(path) === ino)?.number ?? Number.POSITIVE_INFINITY;
  };
  const enter = async (path: string): Promise<boolean> => {
    const opened = await open(path, "r").catch(() => undefined);
    if (opened === undefined) return false;
    await handle?.close();
    handle = opened;
    ({ ino } = await opened.stat());
    first = undefined;
    offset = 0;
    return true;
  };
  const start = async (): Promise<boolean> => enter(full()[0]?.path ?? current);
  /** The file after this one, if there is one. */
  const advance = async (): Promise<boolean> => {
    const there = await stat(current).catch(() => undefined);
    if (there === undefined || there.ino === ino) return false;
    const own = ownNumber();
    return enter(full().find(({ number }) => number > own)?.path ?? current);
  };
  const readHere = async (maxLines: number): Promise<Piece | undefined> => {
    if (handle === undefined) return undefined;
    const { size } = await handle.stat();
    // A smaller file was emptied.
    if (size < offset) offset = 0;
    const buffer = Buffer.alloc(Math.min(size - offset, pieceBytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
    const bytes = buffer.subarray(0, bytesRead);
    const end = endOfLine(bytes, maxLines);
    if (end === 0) return undefined;
    const lines = bytes.toString("utf8", 0, end - 1).split("\n");
    if (offset === 0) first = idIn(lines[0] ?? "");
    offset += end;
    return { lines, next: { first: first ?? "", offset } };
  };
  return {
    async read(maxLines) {
      if (handle === undefined && !(await start())) return undefined;
      for (;;) {
        const piece = await readHere(maxLines);
        if (piece !== undefined) return piece;
        if (!(await advance())) return undefined;
      }
    },
    async seek(position) {
      const paths = [...full().map(({ path }) => path), current];
      const path = position && paths.find((one) => firstIdOf(one) === position.first);
      if (path === undefined || !(await enter(path))) {
        await start();
        return false;
      }
      first = position?.first;
      offset = position?.offset ?? 0;
      return true;
    },
    isPast: ({ number }) => number < ownNumber(),
    behind() {
      if (handle === undefined) return sizeOf(current);
      const own = ownNumber();
      const later = full().filter(({ number }) => number >= own);
      const sizes = [...later.map(({ path }) => path), current].map(sizeOf);
      return sizes.reduce((sum, size) => sum + size, 0) - offset;
    },
    async close() {
      await handle?.close();
      handle = undefined;
    },
  };
}

/** After this many lines, or after the last one. */
function endOfLine(bytes: Buffer, maxLines: number): number {
  let end = 0;
  for (let lines = 0; lines < maxLines; lines++) {
    const next = bytes.indexOf(10, end) + 1;
    if (next === 0) break;
    end = next;
  }
  return end;
}

function idIn(text: string): string | undefined {
  return /"id":"([0-9A-Z]{26})"/.exec(text)?.[1];
}

function firstIdOf(path: string): string | undefined {
  try {
    const fd = openSync(path, "r");
    try {
      const buffer = Buffer.alloc(64);
      return idIn(buffer.toString("latin1", 0, readSync(fd, buffer, 0, buffer.length, 0)));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
