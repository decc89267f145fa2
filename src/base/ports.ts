import type { JsonObject } from "./json.ts";

/** Structured log, one event per line. Values must hold no token, secret or upstream body. */
export interface Log {
  readonly debug: (event: string, fields?: JsonObject) => void;
  readonly info: (event: string, fields?: JsonObject) => void;
  readonly warn: (event: string, fields?: JsonObject) => void;
  readonly error: (event: string, fields?: JsonObject, cause?: unknown) => void;
}

/** What the rooms need from the process: no room reads a global clock or writes to a stream. */
export interface Ports {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
}
