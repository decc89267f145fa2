import { open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import { loadConfig } from "../config/load.ts";
import { auditFileOf } from "./audit-files.ts";
import { exitCodes, printLine, type ExitCode, type Io } from "./io.ts";

export interface TailOptions {
  readonly config: string;
  readonly lines: number;
  readonly follow: boolean;
  readonly json: boolean;
}

const pollMs = 250;
/** Of the end of the file that is read for the last lines. */
const maxTailBytes = 4_194_304;

/** The last records of the audit file, and with `follow` every new one until a signal. */
export async function tailAudit(options: TailOptions, io: Io): Promise<ExitCode> {
  const config = await loadConfig(options.config, io.env);
  const file = auditFileOf(config.audit);
  if (file === undefined) {
    printLine(io.stderr, "the audit log goes to no file: add a file sink under audit.sinks");
    return exitCodes.refused;
  }
  const size = await sizeOf(file);
  if (size === undefined && !options.follow) {
    printLine(io.stderr, `${file} does not exist yet: nothing was called`);
    return exitCodes.refused;
  }
  let at = Math.max(0, (size ?? 0) - maxTailBytes);
  // In the middle of a large file the first line is half of one.
  let skipped = at > 0;
  const next = async (): Promise<string[]> => {
    const bytes = await readFrom(file, at);
    const end = bytes.lastIndexOf("\n") + 1;
    at += end;
    const lines = bytes
      .subarray(0, end)
      .toString()
      .split("\n")
      .slice(skipped ? 1 : 0, -1);
    skipped &&= end === 0;
    return lines;
  };
  for (const line of (await next()).slice(-options.lines)) print(line, options, io);
  if (!options.follow) return exitCodes.ok;
  const stop = new AbortController();
  io.onSignal(["SIGINT", "SIGTERM"], () => stop.abort());
  while (!stop.signal.aborted && io.stdout.writable) {
    await sleep(pollMs);
    // A smaller file is a new one.
    if (((await sizeOf(file)) ?? 0) < at) at = 0;
    for (const line of await next()) print(line, options, io);
  }
  return exitCodes.ok;
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}

async function readFrom(file: string, position: number): Promise<Buffer> {
  const handle = await open(file, "r").catch(() => undefined);
  if (handle === undefined) return Buffer.alloc(0);
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.max(0, Math.min(size - position, maxTailBytes)));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
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
