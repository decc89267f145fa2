import type { ASTNode } from "@marcbachmann/cel-js";
import { isJsonObject, type JsonValue } from "../base/json.ts";

/**
 * The most steps that one evaluation may need: some 20 ms. What might need more is not started, because
 * what callers send must not hold up everybody else.
 */
export const maxSteps = 1_000_000;

/** What a condition costs at worst: `nodes` × `largest` to the power of `levels`. */
export interface Steps {
  readonly nodes: number;
  /** How many loops run inside each other. 0: it costs the same whatever it is given. */
  readonly levels: number;
}

/** Macros of CEL that go through a list. */
const loops: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** Operators whose time grows with their operands, unless one of these is written out. */
const growing: ReadonlySet<string> = new Set(["in", "==", "!=", "+", "<", "<=", ">", ">="]);

export function measureSteps(root: ASTNode): Steps {
  let nodes = 0;
  const levelsOf = (node: unknown, looping: boolean): number => {
    if (Array.isArray(node)) return Math.max(0, ...node.map((item) => levelsOf(item, looping)));
    if (!isNode(node)) return 0;
    nodes++;
    const { op, args } = node;
    if (op === "value" || op === "id") return 0;
    if (isLoop(node)) {
      const [, range, body] = args as readonly unknown[];
      return Math.max(levelsOf(range, looping), 1 + levelsOf(body, true));
    }
    const inner = levelsOf(args, looping);
    return looping && grows(node) ? Math.max(1, inner) : inner;
  };
  return { levels: levelsOf(root, false), nodes };
}

export function exceedsSteps({ nodes, levels }: Steps, largest: number): boolean {
  return nodes * largest ** levels > maxSteps;
}

/** The largest list, mapping or text in it; 64 characters of a text count as one item. */
export function largestIn(value: JsonValue): number {
  let largest = 1;
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next === "string") largest = Math.max(largest, next.length / 64);
    else if (Array.isArray(next) || isJsonObject(next)) {
      const items: readonly unknown[] = Object.values(next);
      largest = Math.max(largest, items.length);
      // Not spread: a list may have more items than a call takes arguments.
      for (const item of items) pending.push(item);
    }
  }
  return largest;
}

interface Node {
  readonly op: string;
  readonly args: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "op" in value && "args" in value;
}

function isLoop({ op, args }: Node): boolean {
  return op === "rcall" && Array.isArray(args) && loops.has(String(args[0]));
}

function grows({ op, args }: Node): boolean {
  if (op === "call" || op === "rcall") return true;
  return growing.has(op) && Array.isArray(args) && !args.some(isWritten);
}

/** A literal, or a list of literals: as long as the operator wrote it. */
function isWritten(node: unknown): boolean {
  if (!isNode(node)) return false;
  if (node.op === "value") return true;
  return node.op === "list" && Array.isArray(node.args) && node.args.every(isWritten);
}
