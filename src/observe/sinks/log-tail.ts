import { hash } from "node:crypto";
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { listRotated } from "./log-dir.ts";

/** Larger than any two lines. */
const tailBytes = 65_536;

/** Removes what follows the last line feed: a record that a crash cut off was never acknowledged. */
export function recoverTail(fd: number): { head: string | undefined; tornBytes: number } {
  const { size } = fstatSync(fd);
  const tail = readTail(fd, size);
  const end = tail.lastIndexOf(10) + 1;
  const tornBytes = tail.length - end;
  if (tornBytes > 0) ftruncateSync(fd, size - tornBytes);
  return { head: hashOfLast(tail.subarray(0, end)), tornBytes };
}

function readTail(fd: number, size: number): Buffer {
  const start = Math.max(0, size - tailBytes);
  const buffer = Buffer.alloc(size - start);
  return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, start));
}

function hashOfLast(lines: Buffer): string | undefined {
  if (lines.length === 0) return undefined;
  const start = lines.length < 2 ? 0 : lines.lastIndexOf(10, lines.length - 2) + 1;
  return hash("sha256", lines.subarray(start), "hex");
}

/**
 * What the first record of a new file is linked to when there is none in it yet: the newest file of
 * a rotation is never compressed.
 *
 * @returns undefined when there is no such file.
 */
export function headOfRotated(dir: string): string | undefined {
  const newest = listRotated(dir).at(-1);
  if (newest === undefined || newest.compressed) return undefined;
  const fd = openSync(newest.path, "r");
  try {
    return hashOfLast(readTail(fd, fstatSync(fd).size));
  } finally {
    closeSync(fd);
  }
}

/** Whole lines from a position to the end. */
export function linesFrom(fd: number, from: number): Buffer {
  const buffer = Buffer.alloc(Math.max(0, fstatSync(fd).size - from));
  const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from));
  return bytes.subarray(0, bytes.lastIndexOf(10) + 1);
}

/** Milliseconds since the epoch; undefined when the first line does not say. */
export function timeOfFirst(fd: number): number | undefined {
  const buffer = Buffer.alloc(1_024);
  const text = buffer.toString("latin1", 0, readSync(fd, buffer, 0, buffer.length, 0));
  const time = Date.parse(/"time":"([^"]+)"/.exec(text)?.[1] ?? "");
  return Number.isNaN(time) ? undefined : time;
}
