import { hash } from "node:crypto";
import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Ports } from "../base/ports.ts";
import type { Sink } from "./sink.ts";

/** Name of the file that is written to in the directory of a `file` sink. */
export const auditFile = "audit.ndjson";

export interface AuditFile extends Sink {
  /** SHA-256 of the last line that was there before; undefined when there was none. */
  readonly head: string | undefined;
  /** Of a line that a crash cut off; it was removed. */
  readonly tornBytes: number;
}

const retryMs = 250;

/**
 * The file `audit.ndjson` of a directory, opened for appending. What cannot be written waits and is
 * tried again; a file that was moved or deleted is made anew.
 *
 * @param fsync Every write waits for the disk, together with the others of that moment.
 * @throws Error of the system when the file cannot be opened.
 */
export function openAuditFile(dir: string, fsync: boolean, ports: Ports): AuditFile {
  const path = join(dir, auditFile);
  let fd: number | undefined = openAppending(dir, path);
  const { head, tornBytes } = recoverTail(fd);
  let problem: string | undefined;
  /** Lines that the system did not take, and how much of the first it took. */
  let backlog: Buffer[] = [];
  let taken = 0;
  let waiting = 0;

  const fail = (cause: unknown): void => {
    const message = cause instanceof Error ? cause.message : "cannot be written";
    if (problem === undefined) ports.log.error("audit_write_failed", { reason: message }, cause);
    problem = message;
  };
  const put = (bytes: Buffer, from: number): number => {
    let at = from;
    try {
      if (fd === undefined) return at;
      while (at < bytes.length) at += writeSync(fd, bytes, at);
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
  /** A new file starts with a whole line. */
  const reopen = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
    taken = taken === 0 ? 0 : (backlog[0]?.lastIndexOf(10, taken - 1) ?? -1) + 1;
    fd = openAppending(dir, path);
    ports.log.warn("audit_file_reopened", { file: path });
  };
  const look = (): void => {
    try {
      if (fd === undefined || !isAt(fd, path)) reopen();
      drain();
      if (backlog.length === 0) problem = undefined;
    } catch (cause) {
      fail(cause);
    }
  };
  const timer = setInterval(look, retryMs).unref();
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
  );

  return {
    head,
    tornBytes,
    write(bytes) {
      if (backlog.length > 0) {
        hold(bytes);
        return false;
      }
      const at = put(bytes, 0);
      if (at < bytes.length) {
        hold(bytes);
        taken = at;
        return false;
      }
      return fsync ? commit() : true;
    },
    waitingBytes: () => waiting,
    problem: () => problem,
    async close() {
      clearInterval(timer);
      look();
      if (waiting > 0) ports.log.error("audit_records_lost", { bytes: waiting });
      if (fsync) await commit();
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

/** Larger than any two lines. */
const tailBytes = 65_536;

/** Removes what follows the last line feed: a record that a crash cut off was never acknowledged. */
function recoverTail(fd: number): { head: string | undefined; tornBytes: number } {
  const { size } = fstatSync(fd);
  const start = Math.max(0, size - tailBytes);
  const buffer = Buffer.alloc(size - start);
  const tail = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, start));
  const end = tail.lastIndexOf(10) + 1;
  const tornBytes = tail.length - end;
  if (tornBytes > 0) ftruncateSync(fd, size - tornBytes);
  if (end === 0) return { head: undefined, tornBytes };
  const line = tail.subarray(end < 2 ? 0 : tail.lastIndexOf(10, end - 2) + 1, end);
  return { head: hash("sha256", line, "hex"), tornBytes };
}

/** Who comes while the disk works waits for the next turn, together with all others who do. */
function createGroupCommit(sync: () => Promise<boolean>): () => Promise<boolean> {
  let running: Promise<boolean> | undefined;
  let next: Promise<boolean> | undefined;
  const run = async (): Promise<boolean> => {
    try {
      return await sync();
    } finally {
      running = undefined;
    }
  };
  return () => {
    if (running === undefined) {
      running = run();
      return running;
    }
    next ??= running.then(() => {
      next = undefined;
      running = run();
      return running;
    });
    return next;
  };
}
