import { open, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import { loadConfig } from "../config/load.ts";
import { auditFile, listRotated } from "../observe/sinks/log-dir.ts";
import { readLines } from "../observe/sinks/read-lines.ts";
import { auditDirOf } from "./audit-files.ts";
import { compileTests, parseRecord } from "./audit-query.ts";
import { exitCodes, printLine, type ExitCode, type Io } from "./io.ts";

export interface TailOptions {
  readonly config: string;
  readonly lines: number;
  readonly follow: boolean;
  readonly where: readonly string[];
  readonly json: boolean;
}

const pollMs = 250;
/** Of the end of the file that is read for the last lines. */
const maxTailBytes = 4_194_304;

/** The last records of the audit log, and with `follow` every new one until a signal. */
export async function tailAudit(options: TailOptions, io: Io): Promise<ExitCode> {
  const matches = compileTests(options.where);
  const { audit } = await loadConfig(options.config, io.env);
  const dir = auditDirOf(audit);
  if (dir === undefined) {
    printLine(io.stderr, "the audit log goes to no file: add a file sink under audit.sinks");
    return exitCodes.refused;
  }
  const path = join(dir, auditFile);
  const follower = createFollower(dir);
  try {
    if (!(await follower.exists()) && !options.follow) {
      printLine(io.stderr, `${path} does not exist yet: nothing was called`);
      return exitCodes.refused;
    }
    const wanted = (lines: readonly string[]): readonly string[] =>
      options.where.length === 0
        ? lines
        : lines.filter((line) => {
            const record = parseRecord(line);
            return record !== undefined && matches(record);
          });
    const recent = wanted(await follower.next());
    const missing = options.lines - recent.length;
    const before = missing > 0 ? await lastRotated(dir, missing, wanted) : [];
    for (const line of [...before, ...recent].slice(-options.lines)) print(line, options, io);
    if (!options.follow) return exitCodes.ok;
    const stop = new AbortController();
    io.onSignal(["SIGINT", "SIGTERM"], () => stop.abort());
    while (!stop.signal.aborted && io.stdout.writable) {
      await sleep(pollMs);
      for (const line of wanted(await follower.next())) print(line, options, io);
    }
    return exitCodes.ok;
  } finally {
    await follower.close();
  }
}

interface Follower {
  readonly exists: () => Promise<boolean>;
  /** Whole lines that came since the last time; the first time those at the end. */
  readonly next: () => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** Reads a log as it grows. When another file takes the place of one, that is read to its end before. */
function createFollower(dir: string): Follower {
  const path = join(dir, auditFile);
  let handle: FileHandle | undefined;
  let at = 0;
  /** In the middle of a large file the first line is half of one. */
  let skips = false;
  /** Number of the last full file that nothing is wanted of any more. */
  let done = newestNumber(dir);

  const start = async (): Promise<number> => {
    handle = await open(path, "r").catch(() => undefined);
    at = 0;
    return (await handle?.stat())?.size ?? 0;
  };
  const read = async (): Promise<readonly string[]> => {
    if (handle === undefined) return [];
    const { size } = await handle.stat();
    // A smaller file was emptied.
    if (size < at) at = 0;
    const buffer = Buffer.alloc(Math.min(size - at, maxTailBytes));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    const bytes = buffer.subarray(0, bytesRead);
    const end = bytes.lastIndexOf("\n") + 1;
    at += end;
    const lines = bytes.subarray(0, end).toString().split("\n").slice(0, -1);
    const half = skips && end > 0;
    skips &&= end === 0;
    return half ? lines.slice(1) : lines;
  };
  const isReplaced = async (): Promise<boolean> => {
    const there = await stat(path).catch(() => undefined);
    if (there === undefined) return false;
    return handle === undefined || there.ino !== (await handle.stat()).ino;
  };
  /** Files may fill up between two looks. */
  const advance = async (lines: string[]): Promise<void> => {
    // The one that was read through this handle.
    if (handle !== undefined && newestNumber(dir) > done) done++;
    do {
      await handle?.close();
      for (const file of listRotated(dir)) {
        if (file.number <= done) continue;
        await readLines(file.path, (line) => lines.push(line));
        done = file.number;
      }
      await start();
    } while (newestNumber(dir) > done);
  };
  return {
    async exists() {
      const size = await start();
      at = Math.max(0, size - maxTailBytes);
      skips = at > 0;
      return handle !== undefined;
    },
    async next() {
      const lines = [...(await read())];
      if (!(await isReplaced())) return lines;
      for (let more = await read(); more.length > 0; more = await read()) lines.push(...more);
      await advance(lines);
      return [...lines, ...(await read())];
    },
    async close() {
      await handle?.close();
    },
  };
}

function newestNumber(dir: string): number {
  return listRotated(dir).at(-1)?.number ?? 0;
}

/** The last lines of the full files, newest file first, until there are enough. */
async function lastRotated(
  dir: string,
  count: number,
  wanted: (lines: readonly string[]) => readonly string[],
): Promise<readonly string[]> {
  let found: readonly string[] = [];
  for (const { path } of listRotated(dir).toReversed()) {
    if (found.length >= count) break;
    const lines: string[] = [];
    await readLines(path, (line) => {
      lines.push(...wanted([line]));
      if (lines.length > 2 * count) lines.splice(0, lines.length - count);
    });
    found = [...lines, ...found];
  }
  return found.slice(-count);
}

function print(line: string, { json }: TailOptions, io: Io): void {
  printLine(io.stdout, json ? line : describe(line));
}

/** `time  event  outcome  who  tool  status  milliseconds  reason`, one line, nothing that moves a cursor. */
function describe(line: string): string {
  let record: JsonObject;
  try {
    record = JSON.parse(line) as JsonObject;
  } catch {
    return escapeText(line);
  }
  const at = (...path: string[]): string => {
    let value: unknown = record;
    for (const name of path) value = isJsonObject(value) ? value[name] : undefined;
    return value === undefined
      ? "-"
      : escapeText(typeof value === "string" ? value : JSON.stringify(value), 128);
  };
  return [
    at("time"),
    at("event").padEnd(14),
    at("outcome").padEnd(9),
    at("actor", "sub").padEnd(12),
    at("tool", "name").padEnd(24),
    at("upstream", "status").padEnd(4),
    at("duration_ms").padEnd(6),
    at("reason"),
  ].join(" ");
}
