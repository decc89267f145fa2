import { escapeText } from "../base/text.ts";
import type { JsonObject } from "../base/json.ts";
import { exporters, type ExportFormat } from "../observe/record/export.ts";
import {
  compileFilter,
  compileWhere,
  textAt,
  type Filter,
  type Question,
} from "../observe/record/query.ts";
import { createTrail } from "../observe/record/trail.ts";
import { readLines } from "../observe/sinks/read-lines.ts";
import { auditFilesOf } from "./audit-files.ts";
import { exitCodes, formatTable, printLine, UsageError, type ExitCode, type Io } from "./io.ts";

export interface QueryOptions {
  readonly config: string;
  /** Oldest first; empty: those of the file sink of gateway.yaml. */
  readonly files: readonly string[];
  /** ISO 8601, or how long ago: 90s, 30m, 24h, 7d. */
  readonly since?: string;
  readonly until?: string;
  readonly user?: string;
  readonly tool?: string;
  readonly client?: string;
  readonly outcome?: string;
  readonly event?: string;
  readonly where: readonly string[];
  /** `name=value` of an argument, where the log has it in clear. */
  readonly arg: readonly string[];
  readonly format: "table" | "csv" | ExportFormat;
  /** Paths, separated by commas: counts instead of records. */
  readonly countBy?: string;
  /** A test: instead of each record, those it holds for and what the same person did before. */
  readonly before?: string;
  /** How long before. */
  readonly within: string;
  /** Of records or counts; the last records, the largest counts. */
  readonly limit: number;
}

const columns = [
  "time",
  "event",
  "outcome",
  "actor.sub",
  "actor.client_id",
  "tool.name",
  "upstream.status",
  "duration_ms",
  "reason",
  "id",
];

/** For who asks what led to what. */
const trailColumns = columns.toSpliced(
  columns.indexOf("upstream.status"),
  0,
  "tool.risk",
  "tool.egress",
);

/** Records of the log that match, or how many there are of each kind. */
export async function queryAudit(options: QueryOptions, io: Io): Promise<ExitCode> {
  const files = await auditFilesOf(options, io);
  if (files === undefined) return exitCodes.refused;
  const filter = readFilter(options, Date.now());
  const lead = compileLead(options);
  const scan = (onRecord: (record: JsonObject) => void): Promise<void> =>
    scanRecords(files, filter, { io, onRecord: lead(onRecord) });
  if (options.countBy !== undefined) {
    const paths = options.countBy.split(",");
    const rows = await countRecords(scan, paths, options.limit);
    printRows([[...paths, "count"], ...rows], options.format, io);
    return exitCodes.ok;
  }
  if (options.format === "table" || options.format === "csv") {
    const shown = options.before === undefined ? columns : trailColumns;
    const rows: string[][] = [];
    await scan((record) => {
      rows.push(shown.map((path) => textAt(record, path.split("."))));
      if (rows.length > options.limit) rows.shift();
    });
    printRows([shown, ...rows], options.format, io);
    return exitCodes.ok;
  }
  const write = exporters[options.format];
  await scan((record) => printLine(io.stdout, JSON.stringify(write(record))));
  return exitCodes.ok;
}

/** One record, told in sentences, with the other one of its call. */
export async function explainAudit(
  id: string,
  options: Pick<QueryOptions, "config" | "files">,
  io: Io,
): Promise<ExitCode> {
  const files = await auditFilesOf(options, io);
  if (files === undefined) return exitCodes.refused;
  const found: JsonObject[] = [];
  const matches = (record: JsonObject): boolean => record["id"] === id || record["intent"] === id;
  await scanRecords(
    files,
    { matches, needle: `"${id.replace(/[^0-9A-Z]/g, "")}"` },
    {
      io,
      onRecord: (record) => found.push(record),
    },
  );
  for (const record of found) printLine(io.stdout, explain(record).join("\n"));
  if (found.length > 0) return exitCodes.ok;
  printLine(io.stderr, `no record has the id ${id}`);
  return exitCodes.refused;
}

function explain(record: JsonObject): readonly string[] {
  const say = (path: string): string => {
    const text = textAt(record, path.split("."));
    return text === "" ? "-" : escapeText(text, 300);
  };
  return [
    `${say("id")}  ${say("time")}  ${say("event")} ${say("phase")} ${say("outcome")} ${say("reason")}`,
    `  who      ${say("actor.sub")} of ${say("actor.iss")}, client ${say("actor.client_id")}, acting ${say("actor.act")}`,
    `  scopes   ${say("actor.scopes")}  groups ${say("actor.groups")}`,
    `  from     ${say("client.ip")}  ${say("client.ua")}`,
    `  tool     ${say("tool.name")} (${say("tool.source")} ${say("tool.operation")}), schema ${say("tool.schema_hash")}`,
    `  policy   ${say("policy.decision")} by ${say("policy.rule")}, configuration ${say("policy.generation")}`,
    `  args     ${say("args.digest")}, ${say("args.bytes")} bytes`,
    `  request  ${say("upstream.method")} ${say("upstream.url_template")} with ${say("upstream.token")} credential for ${say("upstream.aud")}`,
    `  answer   ${say("upstream.status")} after ${say("upstream.duration_ms")} ms, ${say("upstream.attempts")} attempts`,
    `  record   ${say("seq")} of ${say("chain")}`,
  ];
}

type OnRecord = (record: JsonObject) => void;

function compileLead({ before, within }: QueryOptions): (onRecord: OnRecord) => OnRecord {
  if (before === undefined) return (onRecord) => onRecord;
  const isEnd = compileTests([before]);
  const withinMs = spanOf(within);
  if (withinMs === undefined) throw new UsageError(`${within} is no time such as 30m, 24h or 7d`);
  return (onRecord) => createTrail(isEnd, withinMs, onRecord);
}

function readFilter(options: QueryOptions, now: number): Filter {
  const question: Question = {
    since: options.since === undefined ? undefined : readTime(options.since, now),
    until: options.until === undefined ? undefined : readTime(options.until, now),
    user: options.user,
    tool: options.tool,
    client: options.client,
    outcome: options.outcome,
    event: options.event,
    where: options.where,
    args: options.arg.map(readArg),
  };
  return asked(() => compileFilter(question));
}

/** @throws UsageError for a test that cannot be read. */
export function compileTests(where: readonly string[]): (record: JsonObject) => boolean {
  const tests = asked(() => where.map(compileWhere));
  return (record) => tests.every((test) => test(record));
}

function asked<T>(compile: () => T): T {
  try {
    return compile();
  } catch (cause) {
    if (cause instanceof TypeError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

/** `id=A1`; the name may have dots. */
function readArg(text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`${text} is not name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

const unitMs = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

function readTime(text: string, now: number): number {
  const agoMs = spanOf(text);
  if (agoMs !== undefined) return now - agoMs;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new UsageError(`${text} is neither a time nor 30m, 24h or 7d`);
  return time;
}

function spanOf(text: string): number | undefined {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (unitMs.get(unit) ?? 0);
}

interface Scan {
  readonly io: Io;
  readonly onRecord: (record: JsonObject) => void;
}

const progressMs = 2_000;

async function scanRecords(
  files: readonly string[],
  { matches, needle }: Filter,
  { io, onRecord }: Scan,
): Promise<void> {
  let saidAt = Date.now();
  let count = 0;
  for (const file of files) {
    await readLines(
      file,
      (line) => {
        count++;
        if (count % 10_000 === 0 && Date.now() - saidAt > progressMs) {
          saidAt = Date.now();
          printLine(io.stderr, `${count} records read`);
        }
        const record = parseRecord(line);
        if (record !== undefined && matches(record)) onRecord(record);
      },
      needle,
    );
  }
}

/** A line that is no record is for `verify` to tell. */
export function parseRecord(line: string): JsonObject | undefined {
  try {
    return JSON.parse(line) as JsonObject;
  } catch {
    return undefined;
  }
}

/** Kinds that are kept apart; with more, the question is not one for a table. */
const maxKinds = 100_000;

async function countRecords(
  scan: (onRecord: (record: JsonObject) => void) => Promise<void>,
  paths: readonly string[],
  limit: number,
): Promise<readonly (readonly string[])[]> {
  const names = paths.map((path) => path.split("."));
  const counts = new Map<string, number>();
  await scan((record) => {
    const key = JSON.stringify(names.map((path) => textAt(record, path)));
    const known = counts.get(key);
    if (known !== undefined || counts.size < maxKinds) counts.set(key, (known ?? 0) + 1);
  });
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, limit)
    .map(([key, count]) => [...(JSON.parse(key) as string[]), String(count)]);
}

function printRows(
  rows: readonly (readonly string[])[],
  format: QueryOptions["format"],
  io: Io,
): void {
  if (format === "csv") {
    for (const row of rows) printLine(io.stdout, row.map(csvCell).join(","));
  } else if (format === "table") {
    const shown = rows.map((row) => row.map((cell) => (cell === "" ? "-" : escapeText(cell, 64))));
    printLine(io.stdout, formatTable(shown));
  } else {
    const [head = [], ...rest] = rows;
    for (const row of rest) {
      const pairs = head.map((name, i) => [name, name === "count" ? Number(row[i]) : row[i]]);
      printLine(io.stdout, JSON.stringify(Object.fromEntries(pairs)));
    }
  }
}

/** A cell that a spreadsheet would calculate gets an apostrophe in front. */
function csvCell(cell: string): string {
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return `"${escapeText(safe, 1_000).replaceAll('"', '""')}"`;
}
