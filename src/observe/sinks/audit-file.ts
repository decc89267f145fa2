import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Ports } from "../../base/ports.ts";
import type { RotationConfig } from "../../config/types/audit.ts";
import { auditFile, listRotated, rotatedName, syncDirectory } from "./log-dir.ts";
import { headOfRotated, linesFrom, recoverTail, timeOfFirst } from "./log-tail.ts";
import type { Sink } from "./sink.ts";

export interface AuditFile extends Sink {
  /** SHA-256 of the last line that was there before; undefined when there was none. */
  readonly head: string | undefined;
  /** Of a line that a crash cut off; it was removed. */
  readonly tornBytes: number;
  /** Looks now whether the file is still where it was: a program that rotates logs asks for it. */
  readonly reopen: () => void;
}

export interface AuditFileOptions {
  /** Every write waits for the disk, together with the others of that moment. */
  readonly fsync: boolean;
  /** undefined: somebody else rotates, or nobody. */
  readonly rotation: RotationConfig | undefined;
  /** Told after a rotation. */
  readonly onRotated: () => void;
  /** Told when lines that were written are there no more. */
  readonly onLost: (reason: "file_deleted" | "file_truncated") => void;
}

const retryMs = 250;
/** After a rotation that failed, e.g. because the directory may not be changed. */
const rotateAgainMs = 60_000;

/**
 * The file `audit.ndjson` of a directory, opened for appending. What cannot be written waits and is
 * tried again; a file that was moved or deleted is made anew.
 *
 * @throws Error of the system when the file cannot be opened.
 */
export function openAuditFile(dir: string, options: AuditFileOptions, ports: Ports): AuditFile {
  const { fsync, rotation } = options;
  const path = join(dir, auditFile);
  let fd: number | undefined = openAppending(dir, path);
  if (fsync) syncDirectory(dir);
  const { head = headOfRotated(dir), tornBytes } = recoverTail(fd);
  let problem: string | undefined;
  /** Lines that the system did not take, and how much of the first it took. */
  let backlog: Buffer[] = [];
  let taken = 0;
  let waiting = 0;
  let size = fstatSync(fd).size;
  /** Of the file when it was last seen in its place. */
  let seenSize = size;
  let startedAt = size === 0 ? ports.now() : (timeOfFirst(fd) ?? ports.now());
  let rotateFrom = Number.NEGATIVE_INFINITY;

  const fail = (cause: unknown): void => {
    const message = cause instanceof Error ? cause.message : "cannot be written";
    if (problem === undefined) ports.log.error("audit_write_failed", { reason: message }, cause);
    problem = message;
  };
  const put = (bytes: Buffer, from: number): number => {
    let at = from;
    try {
      if (fd === undefined) return at;
      while (at < bytes.length) {
        const written = writeSync(fd, bytes, at);
        at += written;
        size += written;
      }
    } catch (cause) {
      fail(cause);
    }
    return at;
  };
  const hold = (bytes: Buffer): void => {
    backlog.push(Buffer.from(bytes));
    waiting += bytes.length;
  };
  const drain = (): void => {
    for (let first = backlog[0]; first !== undefined; first = backlog[0]) {
      taken = put(first, taken);
      if (taken < first.length) return;
      waiting -= first.length;
      taken = 0;
      backlog.shift();
    }
  };
  const commit = createGroupCommit(
    () =>
      new Promise((resolve) => {
        if (fd === undefined) resolve(false);
        else
          fdatasync(fd, (error) => {
            if (error) fail(error);
            resolve(error === null && problem === undefined);
          });
      }),
    ports.now,
  );
  const begin = (): void => {
    fd = openAppending(dir, path);
    if (fsync) syncDirectory(dir);
    size = fstatSync(fd).size;
    seenSize = size;
    startedAt = ports.now();
  };
  /** A number is not given to another file while the disk still works on this one. */
  const release = (old: number): void => void commit.idle().then(() => closeSync(old));

  /** A new file starts with a whole line; what a deleted one had since the last look is written again. */
  const reopen = (): void => {
    const old = fd;
    fd = undefined;
    const first = backlog[0];
    if (first !== undefined && taken > 0) {
      const whole = first.lastIndexOf(10, taken - 1) + 1;
      backlog[0] = first.subarray(whole);
      waiting -= whole;
      taken = 0;
    }
    const deleted = old !== undefined && fstatSync(old).nlink === 0;
    if (deleted) {
      const lines = linesFrom(old, seenSize);
      if (lines.length > 0) backlog.unshift(lines);
      waiting += lines.length;
      options.onLost("file_deleted");
    } else if (old !== undefined && fsync) fdatasyncSync(old);
    if (old !== undefined) release(old);
    begin();
    ports.log.warn("audit_file_reopened", { file: path });
  };
  const look = (): void => {
    try {
      if (fd === undefined || !isAt(fd, path)) reopen();
      else {
        const own = fstatSync(fd).size;
        if (own < size) {
          ports.log.warn("audit_file_truncated", { file: path });
          options.onLost("file_truncated");
        }
        size = own;
        seenSize = own;
      }
      drain();
      if (backlog.length === 0) problem = undefined;
    } catch (cause) {
      fail(cause);
    }
  };
  const isDue = ({ maxBytes, everyMs }: RotationConfig, more: number): boolean => {
    const now = ports.now();
    if (size === 0 || now < rotateFrom) return false;
    return size + more > maxBytes || now - startedAt >= everyMs;
  };
  const rotate = (): void => {
    const old = fd;
    if (old === undefined || !isAt(old, path)) return;
    try {
      if (fsync) fdatasyncSync(old);
      const last = listRotated(dir).at(-1)?.number ?? 0;
      renameSync(path, join(dir, rotatedName(last + 1)));
      begin();
      release(old);
      options.onRotated();
    } catch (cause) {
      rotateFrom = ports.now() + rotateAgainMs;
      ports.log.error("audit_rotate_failed", { file: path }, cause);
    }
  };
  const timer = setInterval(() => {
    look();
    if (rotation !== undefined && backlog.length === 0 && isDue(rotation, 0)) rotate();
  }, retryMs).unref();

  return {
    head,
    tornBytes,
    write(bytes) {
      if (backlog.length > 0) {
        hold(bytes);
        return false;
      }
      if (rotation !== undefined && isDue(rotation, bytes.length)) rotate();
      const at = put(bytes, 0);
      if (at < bytes.length) {
        hold(bytes);
        taken = at;
        return false;
      }
      return fsync ? commit.wait() : true;
    },
    waitingBytes: () => waiting,
    problem: () => problem,
    reopen: look,
    async close() {
      clearInterval(timer);
      look();
      if (waiting > 0) ports.log.error("audit_records_lost", { bytes: waiting });
      if (fsync) await commit.wait();
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function openAppending(dir: string, path: string): number {
  mkdirSync(dir, { recursive: true });
  return openSync(path, "a+", 0o640);
}

/** A file that was moved away still takes bytes, and nobody would ever find them. */
function isAt(fd: number, path: string): boolean {
  try {
    const [own, there] = [fstatSync(fd), statSync(path)];
    return there.ino === own.ino && there.dev === own.dev;
  } catch {
    return false;
  }
}

interface GroupCommit {
  /** Who comes while the disk works waits for the next turn, together with all others who do. */
  readonly wait: () => Promise<boolean>;
  /** Resolves when the disk works on nothing any more. */
  readonly idle: () => Promise<unknown>;
}

/** Turns of the event loop, but no longer than so many milliseconds. */
const gather = { turns: 4, ms: 2 } as const;

/**
 * A sync costs as much of the processor as two calls, however much it takes to the disk. So under load,
 * when turns are long, the next one lets those come along who would just miss it; when there is nothing
 * to do, turns take no time.
 */
async function gatherOthers(now: () => number): Promise<void> {
  const startedAt = now();
  for (let turn = 0; turn < gather.turns && now() - startedAt < gather.ms; turn++) {
    await new Promise(setImmediate);
  }
}

function createGroupCommit(sync: () => Promise<boolean>, now: () => number): GroupCommit {
  let running: Promise<boolean> | undefined;
  let next: Promise<boolean> | undefined;
  const run = async (): Promise<boolean> => {
    try {
      return await sync();
    } finally {
      running = undefined;
    }
  };
  return {
    wait() {
      if (next !== undefined) return next;
      if (running === undefined) {
        running = run();
        return running;
      }
      next = running.then(async () => {
        await gatherOthers(now);
        next = undefined;
        running = run();
        return running;
      });
      return next;
    },
    idle: async () => next ?? running,
  };
}
