import { hash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import type { Ports } from "../../base/ports.ts";
import { createLogReader, type Position } from "./log-reader.ts";
import type { RotatedFile } from "./log-dir.ts";

/** A record as it stands in the log, and what it says. */
export interface ShippedRecord {
  /** Without line feed. */
  readonly line: string;
  readonly record: JsonObject;
}

/** How records get to another machine. */
export interface Transport {
  /** As an operator names it: a URL without secrets. */
  readonly target: string;
  /**
   * Records in order.
   *
   * @throws Error when they did not arrive, or may not have.
   */
  readonly deliver: (records: readonly ShippedRecord[], signal: AbortSignal) => Promise<void>;
  /** How long after a delivery it may still turn out that it was lost; 0 where an answer says so. */
  readonly confirmMs: number;
  /** Told when deliveries of the last `confirmMs` may be lost. */
  readonly onLost: (listener: () => void) => void;
  readonly close: () => void;
}

/** A sink that reads the log from its files and sends it on: at least once, in order. */
export interface Shipper {
  /** There may be something new. */
  readonly wake: () => void;
  readonly isPast: (file: RotatedFile) => boolean;
  readonly stats: () => ShipperStats;
  /** Tries once more to send everything, for 3 s at most. */
  readonly close: () => Promise<void>;
}

export interface ShipperStats {
  readonly shipped: number;
  /** Deliveries that failed and were tried again. */
  readonly failed: number;
  readonly behindBytes: number;
  readonly lagMs: number;
  /** Why nothing arrives at the moment. */
  readonly problem: string | undefined;
}

/** Lines that come within this time travel together. */
const gatherMs = 100;
/** Also what a disk took late is sent. */
const pollMs = 1_000;
const maxLines = 500;
/** Lines more after each batch that was taken, once one was too large. */
const growth = 8;
const timeoutMs = 10_000;
const firstRetryMs = 250;
const lastRetryMs = 30_000;
const closeMs = 3_000;

/** Sends what `audit.ndjson` and its predecessors hold; a cursor beside them says how far it got. */
export function createShipper(
  dir: string,
  transport: Transport,
  onCaughtUp: () => void,
  ports: Ports,
): Shipper {
  const reader = createLogReader(dir);
  const cursor = createCursor(dir, transport.target, ports);
  const stop = new AbortController();
  const marks: { readonly position: Position; readonly at: number }[] = [];
  let sought = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lines = maxLines;
  let [shipped, failed, failures] = [0, 0, 0];
  let problem: string | undefined;
  let behindSince: number | undefined;
  let closing = false;

  const confirm = (): void => {
    const safe = ports.now() - transport.confirmMs;
    let last: Position | undefined;
    while (marks[0] !== undefined && marks[0].at <= safe) last = marks.shift()?.position;
    if (last !== undefined) cursor.save(last);
  };
  const rewind = async (): Promise<void> => {
    marks.length = 0;
    const found = await reader.seek(cursor.position());
    if (!found && cursor.position() !== undefined) {
      ports.log.warn("audit_ship_restarted", { target: transport.target });
    }
    sought = true;
  };
  const wait = async (): Promise<void> => {
    const ms = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 10));
    await sleep(ms * (0.5 + Math.random() / 2), undefined, { signal: stop.signal }).catch(() => {});
  };
  const fail = (cause: unknown): void => {
    failed++;
    failures++;
    const message = cause instanceof Error ? cause.message : "not delivered";
    if (problem === undefined) {
      ports.log.warn("audit_ship_failed", { target: transport.target, reason: message });
    }
    problem = message;
    sought = false;
  };
  const step = async (): Promise<boolean> => {
    if (!sought) await rewind();
    const piece = await reader.read(lines);
    if (piece === undefined) {
      behindSince = undefined;
      return false;
    }
    behindSince ??= ports.now();
    const records = piece.lines.flatMap(readRecord);
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      if (records.length > 0) await transport.deliver(records, signal);
    } catch (cause) {
      if (!(cause instanceof TooLarge) || records.length === 1) throw cause;
      lines = Math.ceil(records.length / 2);
      sought = false;
      return true;
    }
    shipped += records.length;
    failures = 0;
    lines = Math.min(maxLines, lines + growth);
    if (problem !== undefined) ports.log.info("audit_ship_recovered", { target: transport.target });
    problem = undefined;
    marks.push({ position: piece.next, at: ports.now() });
    return true;
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        const more = await step();
        confirm();
        if (!more) {
          onCaughtUp();
          return;
        }
      } catch (cause) {
        if (stop.signal.aborted) return;
        fail(cause);
        if (closing) return;
        await wait();
      }
    }
  };
  const start = (): void => {
    timer = undefined;
    running ??= run().finally(() => {
      running = undefined;
    });
  };
  const wake = (): void => {
    if (running === undefined && !closing) timer ??= setTimeout(start, gatherMs).unref();
  };
  transport.onLost(() => {
    sought = false;
    wake();
  });
  const poll = setInterval(() => {
    confirm();
    wake();
  }, pollMs).unref();
  wake();

  return {
    wake,
    isPast: (file) => sought && reader.isPast(file),
    stats: () => ({
      shipped,
      failed,
      behindBytes: reader.behind(),
      lagMs: behindSince === undefined ? 0 : ports.now() - behindSince,
      problem,
    }),
    async close() {
      closing = true;
      clearInterval(poll);
      clearTimeout(timer);
      const deadline = setTimeout(() => stop.abort(), closeMs);
      await running;
      await run();
      clearTimeout(deadline);
      transport.close();
      confirm();
      await reader.close();
    },
  };
}

/** The other end does not take so much at once. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** What is no record is for `verify` to tell. */
function readRecord(line: string): readonly ShippedRecord[] {
  try {
    const record: unknown = JSON.parse(line);
    return isJsonObject(record) ? [{ line, record }] : [];
  } catch {
    return [];
  }
}

interface Cursor {
  readonly position: () => Position | undefined;
  readonly save: (position: Position) => void;
}

/** Renamed into its place: it is always whole. An old one only sends something twice. */
function createCursor(dir: string, target: string, ports: Ports): Cursor {
  const file = join(dir, `${hash("sha256", target, "hex").slice(0, 16)}.cursor`);
  let position = readCursor(file);
  let broken = false;
  return {
    position: () => position,
    save(next) {
      position = next;
      try {
        writeFileSync(`${file}.part`, `${JSON.stringify({ target, ...next })}\n`, { mode: 0o640 });
        renameSync(`${file}.part`, file);
        broken = false;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : "cannot be written";
        if (!broken) ports.log.warn("audit_cursor_failed", { target, reason });
        broken = true;
      }
    },
  };
}

function readCursor(file: string): Position | undefined {
  try {
    const { first, offset } = JSON.parse(readFileSync(file, "utf8")) as Partial<Position>;
    if (typeof first !== "string" || !Number.isSafeInteger(offset)) return undefined;
    return { first, offset: Number(offset) };
  } catch {
    return undefined;
  }
}
