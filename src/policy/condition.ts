import { Environment, type ASTNode } from "@marcbachmann/cel-js";
import { createCache } from "../base/cache.ts";
import { digitsOf, exactFormOf } from "../base/exact-number.ts";
import type { Issue, Position } from "../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import { compilePattern } from "../tools/pattern.ts";
import type { Tool } from "../tools/tool.ts";
import { exceedsSteps, largestIn, measureSteps } from "./steps.ts";

/** A compiled CEL expression over `principal`, `tool` and `args`. */
export interface Condition {
  readonly usesArgs: boolean;
  /** An error while evaluating (a claim that is not there) is a refusal. */
  readonly holds: (tool: Tool, principal: Principal, args: JsonObject) => boolean;
}

type Expression = ReturnType<Environment["parse"]>;

/** The library's own `matches` may take forever for a text that is made for it. */
const linearMatch = "matchesInLinearTime";
const patterns = createCache<ReturnType<typeof compilePattern>>(1_000, () => 0);

const environment = new Environment({
  limits: { maxAstNodes: 1_000, maxDepth: 64, maxListElements: 200, maxMapEntries: 100 },
})
  .registerVariable("principal", "map")
  .registerVariable("tool", "map")
  .registerVariable("args", "map")
  .registerFunction(`string.${linearMatch}(string): bool`, (text: string, pattern: string) =>
    readPattern(pattern).test(text),
  );

/** Checks types and names at load: a rule that cannot be evaluated must not be found out by a call. */
export function compileCondition(when: {
  readonly expression: string;
  readonly position: Position;
}): { readonly condition: Condition | undefined; readonly issue: Issue | undefined } {
  try {
    const run = environment.parse(when.expression);
    replaceMatches(run.ast);
    const checked = run.check();
    if (!checked.valid) throw checked.error ?? new TypeError("is not valid");
    if (checked.type !== "bool" && checked.type !== "dyn") {
      throw new TypeError(`gives ${checked.type ?? "something"}, expected bool`);
    }
    return { condition: createCondition(run), issue: undefined };
  } catch (error) {
    const issue: Issue = {
      severity: "error",
      code: "invalid_condition",
      message: `when: ${describe(error, when.expression)}`,
      position: when.position,
      help: "a CEL expression over principal, tool and args that gives true or false",
    };
    return { condition: undefined, issue };
  }
}

function createCondition(run: Expression): Condition {
  const steps = measureSteps(run.ast);
  const evaluate: Condition["holds"] = (tool, principal, args) => {
    try {
      const shown = showArgs(args);
      return run({ principal: show(principal), tool: showTool(tool), args: shown }) === true;
    } catch {
      return false;
    }
  };
  const bounded: Condition["holds"] = (tool, principal, args) => {
    const largest = Math.max(largestIn(args), largestOf(principal));
    return !exceedsSteps(steps, largest) && evaluate(tool, principal, args);
  };
  return {
    usesArgs: mentions(run.ast, "args"),
    holds: steps.levels === 0 ? evaluate : bounded,
  };
}

const measured = new WeakMap<Principal, number>();

/** What a token says does not change. */
function largestOf(principal: Principal): number {
  const known = measured.get(principal) ?? largestIn(show(principal));
  measured.set(principal, known);
  return known;
}

/** `matches` of a pattern that is written out, so that it can be compiled now, and as RE2. */
function replaceMatches(root: ASTNode): void {
  for (const node of nodesOf(root)) {
    if (node.op !== "rcall" || !Array.isArray(node.args) || node.args[0] !== "matches") continue;
    const [, , [pattern]] = node.args as readonly [string, unknown, readonly ASTNode[]];
    if (pattern?.op !== "value" || typeof pattern.args !== "string")
      throw new TypeError("matches needs its pattern written out");
    checkPattern(pattern.args);
    (node.args as unknown[])[0] = linearMatch;
  }
}

function readPattern(pattern: string): ReturnType<typeof compilePattern> {
  const compiled = patterns.get(pattern) ?? compilePattern(pattern, "u");
  patterns.set(pattern, compiled, Infinity);
  return compiled;
}

function checkPattern(pattern: string): void {
  try {
    readPattern(pattern);
  } catch {
    throw new TypeError(`"${pattern}" is no regular expression that RE2 takes`);
  }
}

/** Says where in the expression, which may have lines of its own. */
function describe(error: unknown, expression: string): string {
  if (!(error instanceof Error)) return "is not valid";
  const reason = (error.message.split("\n")[0] ?? "").replaceAll(linearMatch, "matches");
  const start =
    "range" in error ? (error.range as { start?: number } | undefined)?.start : undefined;
  if (start === undefined) return reason;
  const before = expression.slice(0, start).split("\n");
  return `${reason}, at ${before.length}:${(before.at(-1)?.length ?? 0) + 1} of the expression`;
}

/** What an expression can see of the caller; never the token. */
function show(principal: Principal): JsonObject {
  return {
    sub: principal.sub,
    iss: principal.iss,
    name: principal.name ?? "",
    clientId: principal.clientId ?? "",
    roles: principal.roles,
    scopes: [...principal.scopes],
    claims: principal.claims,
  };
}

/** What is sent is what is judged: an integer that a double cannot hold is one for CEL all the same. */
function showArgs(args: JsonObject): unknown {
  const exact = exactFormOf(args);
  return exact === args ? args : withIntegers(exact);
}

function withIntegers(value: JsonValue): unknown {
  if (typeof value === "string") {
    const digits = digitsOf(value);
    if (digits === undefined) return value;
    return /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits);
  }
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(withIntegers);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(
    ([name, inner]) => [name, withIntegers(inner)] as const,
  );
  return Object.fromEntries(members);
}

function showTool(tool: Tool): JsonObject {
  const { operation } = tool;
  return {
    name: tool.name,
    api: tool.api,
    operation: operation.id ?? "",
    method: operation.method,
    path: operation.path,
    tags: operation.tags,
  };
}

function mentions(root: ASTNode, name: string): boolean {
  return nodesOf(root).some(({ op, args }) => op === "id" && args === name);
}

function nodesOf(root: ASTNode): readonly ASTNode[] {
  const found: ASTNode[] = [];
  const pending: unknown[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (Array.isArray(node)) pending.push(...(node as unknown[]));
    else if (typeof node === "object" && node !== null && "op" in node && "args" in node) {
      found.push(node as ASTNode);
      pending.push(node.args);
    }
  }
  return found;
}
