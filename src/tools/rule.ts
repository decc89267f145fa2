import type { Issue, Position } from "../base/issue.ts";
import { nearest } from "../base/nearest.ts";
import type { RuleConfig } from "../config/config.ts";
import type { ApiDocument, Operation } from "../openapi/operation.ts";

/** An operation and the rule that exposes it. */
export interface Selected {
  readonly operation: Operation;
  readonly rule: RuleConfig;
}

export interface Selection {
  readonly selected: readonly Selected[];
  readonly issues: readonly Issue[];
}

/** What a rule is matched against; skipped operations have it too. */
type Candidate = Pick<Operation, "id" | "method" | "path" | "tags">;

/** Gives each operation the first rule that matches it. No rule, no tool. */
export function selectOperations(document: ApiDocument, rules: readonly RuleConfig[]): Selection {
  const matchers = rules.map((rule) => ({ rule, matches: compileMatcher(rule) }));
  const used = new Set<RuleConfig>();
  const issues: Issue[] = [];
  const selected: Selected[] = [];
  for (const { rule, matches } of matchers) {
    if (document.operations.some(matches)) used.add(rule);
  }
  for (const operation of document.operations) {
    const rule = matchers.find(({ matches }) => matches(operation))?.rule;
    if (rule?.expose) selected.push({ operation, rule });
  }
  for (const { operation, issue, ...candidate } of skippedBy(document, matchers)) {
    // A rule that names one operation promised that tool; a `match` takes what there is.
    if (operation) issues.push({ ...issue, severity: "error", position: candidate.position });
    else issues.push(issue);
    used.add(candidate.rule);
  }
  for (const rule of rules) if (!used.has(rule)) issues.push(describeUnused(rule, document));
  return { selected, issues };
}

function skippedBy(
  document: ApiDocument,
  matchers: readonly { rule: RuleConfig; matches: (candidate: Candidate) => boolean }[],
): { rule: RuleConfig; operation: boolean; position: Position; issue: Issue }[] {
  return document.skipped.flatMap((skipped) => {
    const rule = matchers.find(({ matches }) => matches(skipped))?.rule;
    if (rule === undefined || !rule.expose) return [];
    const operation = rule.select.kind === "operation";
    return [{ rule, operation, position: rule.position, issue: skipped.issue }];
  });
}

function describeUnused(rule: RuleConfig, document: ApiDocument): Issue {
  if (rule.select.kind === "match") {
    return {
      severity: "warning",
      code: "rule_matches_nothing",
      message: `this rule matches no operation of ${document.title || document.source}`,
      position: rule.position,
      help: "check its tags, methods and paths against the document",
    };
  }
  const { operation } = rule.select;
  const names = [...document.operations, ...document.skipped].flatMap((candidate) => [
    ...(candidate.id === undefined ? [] : [candidate.id]),
    `${candidate.method} ${candidate.path}`,
  ]);
  const suggestion = nearest(operation, names);
  return {
    severity: "error",
    code: "unknown_operation",
    message: `no operation ${JSON.stringify(operation)} in ${document.title || document.source}`,
    position: rule.position,
    help: suggestion === undefined ? undefined : `did you mean ${JSON.stringify(suggestion)}?`,
  };
}

function compileMatcher(rule: RuleConfig): (candidate: Candidate) => boolean {
  if (rule.select.kind === "operation") {
    const { operation } = rule.select;
    const space = operation.indexOf(" ");
    const spelled =
      space === -1
        ? undefined
        : `${operation.slice(0, space).toUpperCase()} ${operation.slice(space + 1).trim()}`;
    return ({ id, method, path }) =>
      id === operation || (spelled !== undefined && `${method} ${path}` === spelled);
  }
  const tags = new Set(rule.select.tags);
  const methods = new Set(rule.select.methods.map((method) => method.toUpperCase()));
  const paths = rule.select.paths.map(compileGlob);
  return (candidate) =>
    (tags.size === 0 || candidate.tags.some((tag) => tags.has(tag))) &&
    (methods.size === 0 || methods.has(candidate.method.toUpperCase())) &&
    (paths.length === 0 || paths.some((matches) => matches(candidate.path)));
}

/**
 * `*` is any text within one segment, `**` any number of segments (`/courses/**` also matches
 * `/courses`). Matched segment by segment, so no pattern can be slow on any path.
 */
export function compileGlob(glob: string): (path: string) => boolean {
  const wanted = glob.split("/").filter(Boolean);
  return (path) => matchSegments(wanted, path.split("/").filter(Boolean));
}

function matchSegments(wanted: readonly string[], given: readonly string[]): boolean {
  // reachable[j]: the pattern so far can end before given[j].
  let reachable = given.map(() => false).concat(false);
  reachable[0] = true;
  for (const part of wanted) {
    const next = reachable.map(() => false);
    for (let j = 0; j < reachable.length; j++) {
      if (!reachable[j]) continue;
      if (part === "**") for (let k = j; k < next.length; k++) next[k] = true;
      else if (j < given.length && matchText(part, given[j] ?? "")) next[j + 1] = true;
    }
    reachable = next;
  }
  return reachable.at(-1) ?? false;
}

/** One segment with `*`: the first piece must start it, the last must end it, the rest in order. */
function matchText(pattern: string, text: string): boolean {
  const pieces = pattern.split("*");
  const [first = "", last = ""] = [pieces[0], pieces.at(-1)];
  if (pieces.length === 1) return pattern === text;
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}
