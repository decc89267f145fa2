import type { Readable, Writable } from "node:stream";

/** What a command may touch of the process: payload to `stdout`, everything else to `stderr`. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Runs `listener` at the next SIGINT or SIGTERM, and at every SIGHUP, of these names. */
  readonly onSignal: (names: readonly NodeJS.Signals[], listener: () => void) => void;
  /** Runs `listener` when a second SIGINT or SIGTERM ends the process, right before it does. */
  readonly onInterrupt: (listener: () => void) => void;
}

export const exitCodes = {
  ok: 0,
  /** Refused, or findings. */
  refused: 1,
  usage: 2,
  /** sysexits(3) EX_CONFIG. */
  badConfiguration: 78,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes] | 70 | 130;

/** Thrown for a command line that cannot be meant. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function printLine(stream: Writable, text: string): void {
  stream.write(`${text}\n`);
}

/** Columns as wide as their widest cell. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
