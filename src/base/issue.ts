/** A place in a text file the operator wrote. Lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One finding about gateway.yaml or a document it names. An `error` keeps the gateway from starting. */
export interface Issue {
  readonly severity: "error" | "warning";
  /** Stable and snake_case, e.g. `unknown_key`. */
  readonly code: string;
  /** One sentence that quotes what is at fault. */
  readonly message: string;
  /** Absent only when no text exists to point into, e.g. a missing gateway.yaml. */
  readonly position: Position | undefined;
  /** What to do next, when that is not obvious from the message. */
  readonly help: string | undefined;
}

/** `file:line:column`, the form every editor and terminal can jump to. */
export function formatPosition(position: Position): string {
  return `${position.file}:${position.line}:${position.column}`;
}

/** File, then line, then column; findings without a position come first. */
export function compareIssues(a: Issue, b: Issue): number {
  const [p, q] = [a.position, b.position];
  if (p === undefined || q === undefined) return Number(p !== undefined) - Number(q !== undefined);
  if (p.file !== q.file) return p.file < q.file ? -1 : 1;
  return p.line - q.line || p.column - q.column;
}
