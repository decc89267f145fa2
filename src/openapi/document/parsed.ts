import { ConfigError } from "../../base/errors.ts";
import type { Position } from "../../base/issue.ts";
import type { JsonValue } from "../../base/json.ts";
import type { Pointer } from "./node.ts";

/** Nesting of a whole document; a schema has its own, lower bound. */
export const maxDepth = 200;

/** Line and column count from 1. */
export type Place = Omit<Position, "file">;

export interface Parsed {
  readonly value: JsonValue;
  /** Of the value at `at`, or of the nearest value around it that has a place. */
  readonly locate: (at: Pointer) => Place;
}

export function documentError(
  code: string,
  message: string,
  position: Position,
  help?: string,
): ConfigError {
  return new ConfigError([{ severity: "error", code, message, position, help }]);
}

/** Offsets become lines by binary search. */
export function createLineIndex(text: string): (offset: number) => Place {
  let starts: number[] | undefined;
  return (offset) => {
    starts ??= lineStarts(text);
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
