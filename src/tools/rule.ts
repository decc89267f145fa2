import { formatPosition, type Issue } from "../base/issue.ts";
import { nearest } from "../base/nearest.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { ApiDocument, Operation, SkippedOperation } from "../openapi/operation/operation.ts";
import { chooseBody } from "./body-choice.ts";

/** An operation and the rule that exposes it. */
export interface Selected {
  readonly operation: Operation;
  readonly rule: RuleConfig;
}

export interface Selection {
  readonly selected: readonly Selected[];
  /** Why operations that no rule exposes could not be converted. */
  readonly unwanted: readonly Issue[];
  readonly issues: readonly Issue[];
}

/** What a rule is matched against; skipped operations have it too. */
type Candidate = Pick<Operation, "id" | "method" | "path" | "tags"> & {
  readonly fixedQuery?: string;
};

/** Gives each operation the first rule that matches it. No rule, no tool. */
export function selectOperations(document: ApiDocument, rules: readonly RuleConfig[]): Selection {
  const matchers = rules.map((rule) => ({ rule, matches: compileMatcher(rule) }));
  const ruleOf = (candidate: Candidate): RuleConfig | undefined =>
    matchers.find(({ matches }) => matches(candidate))?.rule;
  const deciding = new Set<RuleConfig>();
  const issues: Issue[] = [];
  const selected: Selected[] = [];
  const unwanted: Issue[] = [];
  for (const operation of document.operations) {
    const rule = ruleOf(operation);
    if (rule === undefined) continue;
    deciding.add(rule);
    if (!rule.expose) continue;
    const choice = chooseBody(operation, rule);
    if (choice.kind === "skipped") issues.push(describeSkipped(choice.issue, rule));
    else {
      selected.push({ operation: choice.operation, rule });
      issues.push(...choice.warnings);
    }
  }
  for (const skipped of document.skipped) {
    const rule = ruleOf(skipped);
    if (rule !== undefined) deciding.add(rule);
    if (rule?.expose === true) issues.push(describeSkipped(skipped.issue, rule));
    else unwanted.push(describeUnwanted(skipped));
  }
  const candidates: readonly Candidate[] = [...document.operations, ...document.skipped];
  for (const { rule, matches } of matchers) {
    if (deciding.has(rule)) continue;
    const wanted = candidates.find(matches);
    const earlier = wanted && ruleOf(wanted);
    if (earlier === undefined) issues.push(describeUnused(rule, document));
    // "Nothing else" at the end of the list is a precaution that need not be of use.
    else if (rule.expose || rule !== rules.at(-1)) issues.push(describeShadowed(rule, earlier));
  }
  return { selected, unwanted, issues };
}

/** A rule that names one operation promised that tool; a `match` takes what there is. */
function describeSkipped(issue: Issue, rule: RuleConfig): Issue {
  if (rule.select.kind === "match") return issue;
  const at = issue.position === undefined ? undefined : `see ${formatPosition(issue.position)}`;
  return { ...issue, severity: "error", position: rule.position, help: issue.help ?? at };
}

/** Nothing is missing: it tells what a rule could not have. */
function describeUnwanted({ method, path, issue }: SkippedOperation): Issue {
  return { ...issue, message: `${method} ${path} cannot be a tool: ${issue.message}` };
}

/** What it says about scopes, conditions and arguments holds for no call: easily a hole. */
function describeShadowed(rule: RuleConfig, earlier: RuleConfig): Issue {
  return {
    severity: "warning",
    code: "rule_never_applies",
    message: `every operation of this rule already takes the rule at line ${earlier.position.line}: the first that matches decides`,
    position: rule.position,
    help: "move it up",
  };
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

/** Of a skipped path item, whose methods cannot be read. */
const everyMethod = "*";

function compileMatcher(rule: RuleConfig): (candidate: Candidate) => boolean {
  if (rule.select.kind === "operation") {
    const { operation } = rule.select;
    const space = operation.indexOf(" ");
    const named = operation.slice(0, Math.max(space, 0));
    const at = operation.slice(space + 1).trim();
    return ({ id, method, path, fixedQuery = "" }) =>
      id === operation ||
      (space !== -1 &&
        (method === named || method === named.toUpperCase() || method === everyMethod) &&
        (path === at || (fixedQuery !== "" && `${path}?${fixedQuery}` === at)));
  }
  const tags = new Set(rule.select.tags);
  const methods = new Set(rule.select.methods.map((method) => method.toUpperCase()));
  const paths = rule.select.paths.map(compileGlob);
  return (candidate) =>
    (tags.size === 0 || candidate.tags.some((tag) => tags.has(tag))) &&
    (methods.size === 0 ||
      methods.has(candidate.method.toUpperCase()) ||
      candidate.method === everyMethod) &&
    (paths.length === 0 || paths.some((matches) => matches(candidate.path)));
}

/**
 * `*` is any text within one segment, `**` any number of segments (`/courses/**` also matches
 * `/courses`). Matched segment by segment, so no pattern can be slow on any path.
 */
function compileGlob(glob: string): (path: string) => boolean {
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
