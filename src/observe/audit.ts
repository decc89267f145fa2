import { hash, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { basename } from "node:path";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import { within } from "../base/within.ts";
import type { AuditConfig } from "../config/types/audit.ts";
import { createBacklog } from "./backlog.ts";
import { createSigner } from "./checkpoint.ts";
import { createDigest } from "./record/digest.ts";
import type { CallEnd, CallTrace, Note, RecordedCall } from "./record/event.ts";
import { createLineWriter } from "./record/line.ts";
import { quote } from "./record/quote.ts";
import { openSinks, type ShippingStats, type SinkDeps } from "./sinks/sinks.ts";
import { createUlids } from "./record/ulid.ts";

/**
 * Whether a record is as safe as `audit.durability` asks: at once, or after its write. `false`: it
 * waits for a sink that does not work, or was lost and counted.
 */
type Written = boolean | Promise<boolean>;

/**
 * Append-only NDJSON: one line per event, each with the SHA-256 of the line before, one chain per
 * start of the process.
 */
export interface Audit {
  /** Announces a call that may change something, before it is sent. */
  readonly intend: (
    call: RecordedCall,
    trace: CallTrace,
  ) => { readonly id: string; readonly written: Written };
  /** The terminal record of a call; to be awaited before its answer is sent. */
  readonly call: (call: RecordedCall, end: CallEnd, trace: CallTrace) => Written;
  /** Written before it returns, for who answers at once. */
  readonly note: (note: Note) => void;
  /** The first record of this process. */
  readonly start: (detail: JsonObject) => void;
  /** Why records cannot be written at the moment. */
  readonly problem: () => string | undefined;
  /** Looks for files that were moved away; they are made anew. */
  readonly reopen: () => void;
  /** Takes secrets and certificates of its sinks from a changed configuration. */
  readonly renew: (config: AuditConfig) => void;
  readonly stats: () => AuditStats;
  /** Writes `server.stop` and the last checkpoint. */
  readonly close: () => Promise<void>;
}

export interface AuditStats {
  readonly sinks: readonly {
    readonly kind: string;
    readonly written: number;
    readonly late: number;
  }[];
  /** Records that some sink could not take yet. */
  readonly waiting: number;
  /** How long the oldest of them has been waiting. */
  readonly lagMs: number;
  readonly dropped: number;
  /** Of sinks on other machines. */
  readonly shipping: readonly ShippingStats[];
}

const chunkBytes = 131_072;
const maxWaitingBytes = 16_777_216;
const maxWaitingRecords = 10_000;
const checkpointRecords = 1_000;
const checkpointMs = 60_000;
/** How long a buffered line may stay in memory. */
const bufferMs = 20;
/** A sink that takes longer counts as one that does not work. */
const stalledMs = 2_000;

const genesis = "0".repeat(64);

/**
 * @throws ConfigError `audit_unavailable` when a file cannot be opened: without its record nothing
 *   may be called.
 */
export function createAudit(config: AuditConfig, ports: Ports, deps: SinkDeps): Audit {
  const {
    local: sinks,
    files,
    shippers,
    shipping,
    renew,
  } = openSinks(config, ports, deps, {
    onLost: (reason) => note({ ...gap, reason, detail: undefined }),
    onRemove({ path }, head) {
      const removed = { file: basename(path), head: `sha256:${head}` };
      note({ ...lifetime, event: "audit.remove", detail: { removed } });
    },
  });
  // Arguments have little entropy: a bare digest could be guessed, a keyed one only compared.
  const lines = createLineWriter(config, createDigest());
  const sign = config.signingKey && createSigner(config.signingKey);
  const makeUlid = createUlids();
  const clock = createClock();
  const instance = hostname();
  const chain = `${instance}@${clock(ports.now())}-${randomBytes(2).toString("hex")}`.slice(-96);
  const link = `,"chain":${quote(chain)},"prev":"sha256:`;
  const tail = `,"gateway":{"version":${quote(deps.version, 32)},"instance":${quote(instance, 64)}}`;
  const buffered = config.durability === "buffered";

  let prev = files[0]?.head ?? genesis;
  let seq = 0;
  let lost = 0;
  let sinceCheckpoint = 0;
  let chunk = Buffer.allocUnsafe(chunkBytes);
  let used = 0;
  let pendingRecords = 0;
  const backlog = createBacklog();
  let batch: Batch | undefined;
  let stopped = false;
  let dropped = 0;
  let waitingSince: number | undefined;
  const places = sinks.map(({ kind, write }) => ({ write, own: { kind, written: 0, late: 0 } }));
  const count = (result: Written, own: Counts, records: number): void => {
    if (typeof result === "boolean") own[result ? "written" : "late"] += records;
    else void result.then((done) => (own[done ? "written" : "late"] += records));
  };
  /** Gives the bytes to every sink. A file is most often the only one, and has them at once. */
  const writeAll = (bytes: Buffer): Written => {
    let all: Written = true;
    for (const { write, own } of places) {
      const result = write(bytes);
      count(result, own, pendingRecords);
      all = and(all, result);
    }
    return all;
  };

  const waitingBytes = (): number => {
    let most = 0;
    for (const sink of sinks) most = Math.max(most, sink.waitingBytes());
    if (most === 0) waitingSince = undefined;
    else waitingSince ??= ports.now();
    return most;
  };
  const flush = (): void => {
    const ended = batch;
    batch = undefined;
    if (used === 0) return ended?.settle(true);
    const result = writeAll(chunk.subarray(0, used));
    for (const shipper of shippers) shipper.wake();
    const waiting = waitingBytes();
    if (waiting > 0) backlog.add(pendingRecords, used);
    if (!backlog.isEmpty()) backlog.records(waiting);
    used = 0;
    pendingRecords = 0;
    ended?.settle(typeof result === "boolean" ? result : within(stalledMs, result, false));
  };
  const put = (text: string): void => {
    if (used + text.length * 3 > chunk.length) flush();
    const end = used + chunk.write(text, used, "utf8");
    prev = hash("sha256", chunk.subarray(used, end), "hex");
    used = end;
    pendingRecords++;
  };
  const headOf = (id: string, now: number): string =>
    `{"v":1,"id":"${id}","seq":${++seq}${link}${prev}","time":"${clock(now)}"`;
  const checkpoint = (): void => {
    sinceCheckpoint = 0;
    const now = ports.now();
    const records = seq;
    const text = `${headOf(makeUlid(now), now)},"event":"audit.checkpoint","outcome":"success","records":${records}${tail}`;
    put(`${sign ? sign(text) : text}}\n`);
  };
  const hasRoom = (): boolean => {
    if (backlog.isEmpty()) return true;
    const waiting = waitingBytes();
    return waiting < maxWaitingBytes && backlog.records(waiting) < maxWaitingRecords;
  };
  /** @returns The record's id; undefined when there was no room for it. */
  const append = (body: string, now: number): string | undefined => {
    if (!hasRoom()) {
      lost++;
      dropped++;
      return undefined;
    }
    if (lost > 0) admitLoss();
    const id = makeUlid(now);
    put(`${headOf(id, now)}${body}${tail}}\n`);
    if (++sinceCheckpoint >= checkpointRecords) checkpoint();
    return id;
  };
  /** What is missing is said in the place where it is missing, and the chain goes on over it. */
  const admitLoss = (): void => {
    const records = lost;
    lost = 0;
    append(lines.note({ ...gap, detail: { gap: { records } } }), ports.now());
  };
  function note(event: Note): void {
    append(lines.note(event), ports.now());
    if (buffered) void written();
    else flush();
  }
  /** Everything of one turn of the event loop is written at once. */
  const written = (): Written => {
    if (buffered) {
      batch ??= startBatch(() => setTimeout(flush, bufferMs).unref());
      return true;
    }
    batch ??= startBatch(() => setImmediate(flush));
    return batch.result;
  };
  const timer = setInterval(() => {
    if (sinceCheckpoint === 0 && lost === 0) return;
    if (lost > 0 && hasRoom()) admitLoss();
    if (sinceCheckpoint > 0) checkpoint();
    flush();
  }, checkpointMs).unref();

  return {
    intend(call, trace) {
      const id = append(lines.intent(call, trace), ports.now());
      return id === undefined ? { id: "", written: false } : { id, written: written() };
    },
    call(call, end, trace) {
      const id = append(lines.call(call, end, trace), trace.endedAt);
      return id === undefined ? false : written();
    },
    note,
    start(detail) {
      const tornBytes = files.reduce((sum, file) => sum + file.tornBytes, 0);
      const recovered = tornBytes === 0 ? {} : { recovered: { torn_bytes: tornBytes } };
      note({ ...lifetime, event: "server.start", detail: { ...detail, ...recovered } });
    },
    problem() {
      const problem = sinks.map((sink) => sink.problem()).find((one) => one !== undefined);
      return problem ?? (hasRoom() ? undefined : "the queue is full");
    },
    reopen() {
      for (const file of files) file.reopen();
    },
    renew: (changed) => renew(changed.sinks),
    stats() {
      const waiting = backlog.records(waitingBytes());
      const lagMs = waitingSince === undefined ? 0 : ports.now() - waitingSince;
      return { sinks: places.map(({ own }) => own), waiting, lagMs, dropped, shipping: shipping() };
    },
    async close() {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      if (seq > 0) {
        note({ ...lifetime, event: "server.stop", detail: undefined });
        checkpoint();
      }
      flush();
      await Promise.all(shippers.map((shipper) => shipper.close()));
      await Promise.all(sinks.map((sink) => sink.close()));
      // There is no record any more that could say so.
      if (lost > 0) ports.log.error("audit_records_lost", { records: lost });
    },
  };
}

const lifetime = {
  outcome: "success",
  reason: undefined,
  principal: undefined,
  transport: undefined,
  client: undefined,
  requestId: undefined,
} as const;

type GapReason = "queue_full" | "file_deleted" | "file_truncated";

const queueFull: GapReason = "queue_full";

const gap = { ...lifetime, event: "audit.gap", outcome: "failure", reason: queueFull } as const;

interface Counts {
  written: number;
  late: number;
}

/** Those who wait for one write. */
interface Batch {
  readonly result: Promise<boolean>;
  readonly settle: (written: Written) => void;
}

function startBatch(schedule: () => unknown): Batch {
  let settle: Batch["settle"] = () => {};
  const result = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  schedule();
  return { result, settle };
}

function and(one: Written, other: Written): Written {
  if (one === false || other === false) return false;
  if (one === true) return other;
  return other === true ? one : both(one, other);
}

async function both(one: Promise<boolean>, other: Promise<boolean>): Promise<boolean> {
  const [first, second] = await Promise.all([one, other]);
  return first && second;
}

/** Many records share a millisecond. */
function createClock(): (now: number) => string {
  let last = Number.NaN;
  let text = "";
  return (now) => {
    if (now !== last) {
      last = now;
      text = new Date(now).toISOString();
    }
    return text;
  };
}
