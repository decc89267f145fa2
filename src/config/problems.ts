import type { Issue, Position } from "../base/issue.ts";
import type { YamlNode } from "./node.ts";

/** One finding, at a value of gateway.yaml or at an exact position (of a key, of a syntax error). */
export interface Finding {
  readonly at: YamlNode | Position | undefined;
  readonly code: string;
  readonly message: string;
  readonly help?: string | undefined;
}

/** Collects findings, so that all are reported at once. */
export interface Problems {
  readonly error: (finding: Finding) => void;
  readonly warn: (finding: Finding) => void;
  readonly errors: () => readonly Issue[];
  readonly warnings: () => readonly Issue[];
}

/**
 * The first finding about a scalar is its only one: a variable that is not set is not also a
 * malformed URL. An aliased value is walked once per alias and still reported once.
 */
export function createProblems(): Problems {
  const found = new Map<string, Issue>();
  const blamed = new Set<string>();
  const add = (severity: Issue["severity"], { at, code, message, help }: Finding): void => {
    if (at !== undefined && "children" in at && at.kind === "scalar" && severity === "error") {
      // Not the node itself: interpolation makes a new one for the same place.
      if (blamed.has(at.path)) return;
      blamed.add(at.path);
    }
    const position = at !== undefined && "children" in at ? at.position : at;
    const issue = { severity, code, message, position, help };
    const key = JSON.stringify([severity, code, position?.line, position?.column, message]);
    if (!found.has(key)) found.set(key, issue);
  };
  const ofSeverity = (severity: Issue["severity"]): readonly Issue[] =>
    [...found.values()].filter((issue) => issue.severity === severity);
  return {
    error: (finding) => add("error", finding),
    warn: (finding) => add("warning", finding),
    errors: () => ofSeverity("error"),
    warnings: () => ofSeverity("warning"),
  };
}

/** `did you mean "x"?`, the form of every suggestion. */
export function didYouMean(word: string | undefined): string | undefined {
  return word === undefined ? undefined : `did you mean "${word}"?`;
}
