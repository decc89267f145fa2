import type { Machine } from "./report.ts";
import type { ConnectionsRow } from "./scale-connections.ts";
import type { ProcessesRow } from "./scale-processes.ts";
import type { RepliesRow } from "./scale-replies.ts";
import type { StreamsResult } from "./scale-streams.ts";
import type { ToolsRow } from "./scale-tools.ts";

/** Results as people read them: the same on a terminal and in the documentation. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface PeersReport {
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly connections: readonly number[];
  /** The first one is the floor. */
  readonly rows: readonly PeerRow[];
}

export interface PeerRow {
  readonly name: string;
  readonly version: string;
  /** From `node` to the answer to `tools/list`, the least of the starts; null: it never answered. */
  readonly startMs: number | null;
  /** Resident memory with child processes: after that answer, and after the last call. */
  readonly idleMb: number | null;
  readonly loadedMb: number | null;
  readonly levels: readonly PeerLevel[];
  /** Why something above is missing. */
  readonly failed: string | null;
}

export interface PeerLevel {
  readonly connections: number;
  readonly callsPerSecond: number;
  /** The least of the rounds: a neighbour on the machine can only add. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** All threads and child processes. */
  readonly cpuMicros: number;
}

export interface ScaleReport {
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly tools: readonly ToolsRow[];
  readonly replies: readonly RepliesRow[];
  readonly connections: readonly ConnectionsRow[];
  readonly processes: readonly ProcessesRow[];
  readonly streams: StreamsResult;
}

/** A table for each number of connections, one of start and memory, and who failed. */
export function peersTables({ connections, rows }: PeersReport): readonly Table[] {
  const nameOf = ({ name, version }: PeerRow): string => `${name} ${version}`.trimEnd();
  const [floor] = rows;
  const load = connections.map((count): Table => {
    const at = (row: PeerRow | undefined): PeerLevel | undefined =>
      row?.levels.find((level) => level.connections === count);
    const base = at(floor)?.cpuMicros ?? Number.NaN;
    return {
      title: `${count} ${count === 1 ? "connection" : "connections"}`,
      head: ["", "calls/s", "p50 ms", "p99 ms", "CPU µs per call", "CPU / floor"],
      rows: rows.map((row) => {
        const level = at(row);
        if (level === undefined) return [nameOf(row), "–", "–", "–", "–", "–"];
        return [
          nameOf(row),
          level.callsPerSecond.toFixed(0),
          level.p50Ms.toFixed(2),
          level.p99Ms.toFixed(2),
          level.cpuMicros.toFixed(0),
          (level.cpuMicros / base).toFixed(2),
        ];
      }),
    };
  });
  return [
    ...load,
    {
      title: "Start and memory",
      head: ["", "start ms", "MB idle", "MB after the load", "failure"],
      rows: rows.map((row) => [
        nameOf(row),
        orDash(row.startMs, 0),
        orDash(row.idleMb, 0),
        orDash(row.loadedMb, 0),
        (row.failed ?? "").replaceAll(/\s+/g, " ").slice(0, 120),
      ]),
    },
  ];
}

export function scaleTables(report: ScaleReport): readonly Table[] {
  const { tools, replies, connections, processes, streams } = report;
  return [
    {
      title: "Tools",
      head: [
        "",
        "start ms",
        "MB resident",
        "MB heap",
        "list KB",
        "first list ms",
        "later, CPU µs",
        "MB after lists",
      ],
      rows: tools.map((row) => [
        row.tools.toLocaleString("en"),
        row.startMs.toFixed(0),
        row.rssMb.toFixed(0),
        row.heapMb.toFixed(1),
        row.listKb.toFixed(0),
        row.firstListMs.toFixed(1),
        row.listMicros.toFixed(0),
        row.listedRssMb.toFixed(0),
      ]),
    },
    {
      title: "Replies",
      head: [
        "Limits",
        "KB of the API",
        "KB of the reply",
        "CPU µs per KB",
        "floor µs per KB",
        "p50 ms",
        "MB grown",
        "small call alone, ms",
        "longest beside, ms",
        "event loop late, ms",
      ],
      rows: replies.map((row) => [
        row.limits,
        row.kb.toLocaleString("en"),
        Math.round(row.replyKb).toLocaleString("en"),
        row.microsPerKb.toFixed(2),
        orDash(row.floorMicrosPerKb, 2),
        row.p50Ms.toFixed(2),
        row.grownMb.toFixed(1),
        row.aloneMs.toFixed(2),
        row.longestMs.toFixed(1),
        row.lateMs.toFixed(1),
      ]),
    },
    {
      title: "Connections",
      head: ["", "calls/s", "p50 ms", "p99 ms", "CPU µs per call", "MB resident"],
      rows: connections.map((row) => [
        row.connections.toLocaleString("en"),
        row.callsPerSecond.toFixed(0),
        row.p50Ms.toFixed(2),
        row.p99Ms.toFixed(2),
        row.cpuMicros.toFixed(0),
        row.rssMb.toFixed(0),
      ]),
    },
    {
      title: "Processes",
      head: ["", "calls/s", "p50 ms", "CPU µs per call"],
      rows: processes.map((row) => [
        String(row.processes),
        row.callsPerSecond.toFixed(0),
        row.p50Ms.toFixed(2),
        row.cpuMicros.toFixed(0),
      ]),
    },
    {
      title: "Idle listen streams",
      head: [
        "wanted",
        "open",
        "MB before",
        "MB open",
        "KB per stream",
        "CPU µs per second",
        "call before, ms",
        "call beside, ms",
        "refusal",
      ],
      rows: [
        [
          streams.wanted.toLocaleString("en"),
          streams.open.toLocaleString("en"),
          streams.rssBeforeMb.toFixed(0),
          streams.rssMb.toFixed(0),
          (((streams.rssMb - streams.rssBeforeMb) * 1_024) / streams.open).toFixed(1),
          streams.idleMicrosPerSecond.toFixed(0),
          streams.callBeforeMs.toFixed(2),
          streams.callMs.toFixed(2),
          streams.refusal ?? "",
        ],
      ],
    },
  ];
}

function orDash(value: number | null, digits: number): string {
  return value === null ? "–" : value.toFixed(digits);
}

export interface MicroReport {
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly rows: readonly {
    readonly name: string;
    /** CPU of one step, all threads. */
    readonly micros: number;
    /** Times the parse of a fixed 1 KB JSON, and the most that it may be. */
    readonly ratio: number;
    readonly atMost: number;
  }[];
}

export function microTable({ rows }: MicroReport): Table {
  return {
    title: "Steps of a call",
    head: ["", "CPU µs", "/ parse of 1 KB", "at most"],
    rows: rows.map(({ name, micros, ratio, atMost }) => [
      name,
      micros.toFixed(2),
      ratio.toFixed(2),
      atMost.toFixed(2),
    ]),
  };
}

export interface CallsReport {
  readonly machine: Machine;
  readonly rows: readonly {
    readonly name: string;
    readonly ratio: number;
    readonly spread: readonly [number, number];
    readonly floorMicros: number;
    readonly targetMicros: number;
    /** ms at one connection, above the floor's. */
    readonly addedP50: number;
    readonly addedP99: number;
  }[];
}

export function callsTable({ rows }: CallsReport): Table {
  return {
    title: "Calls",
    head: ["", "CPU / floor", "10–90 %", "µs per call", "floor µs", "added p50 ms", "added p99 ms"],
    rows: rows.map((row) => [
      row.name,
      row.ratio.toFixed(2),
      row.spread.map((value) => value.toFixed(2)).join("–"),
      row.targetMicros.toFixed(0),
      row.floorMicros.toFixed(0),
      row.addedP50.toFixed(2),
      row.addedP99.toFixed(2),
    ]),
  };
}
