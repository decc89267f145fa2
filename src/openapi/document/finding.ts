import type { Issue } from "../../base/issue.ts";
import type { Pointer } from "./node.ts";
import type { Source } from "./source.ts";

/** What is wrong, and where in the document. */
export interface Finding {
  readonly code: string;
  readonly message: string;
  readonly at: Pointer;
}

export type Warn = (finding: Finding) => void;

/** One operation cannot be converted; the rest of the document can. Never leaves this room. */
export class Unconvertible extends Error {
  override readonly name = "Unconvertible";
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.message);
    this.finding = finding;
  }
}

const maxWarnings = 1000;

/** Keeps the first thousand: what a broken generator repeats says nothing new. */
export function createWarnings(source: Source): { readonly issues: Issue[]; readonly warn: Warn } {
  const issues: Issue[] = [];
  const warn: Warn = (finding) => {
    if (issues.length < maxWarnings) issues.push(warningOf(source, finding));
  };
  return { issues, warn };
}

export function warningOf(source: Source, { code, message, at }: Finding): Issue {
  return {
    severity: "warning",
    code,
    message,
    position: source.positionOf(at),
    help: undefined,
  };
}
