import { compile, isRegistered, TreeInterpreter } from "@jmespath-community/jmespath";
import { ConfigError } from "../../base/errors.ts";
import { printExactly } from "../../base/exact-number.ts";
import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { ResponseConfig } from "../../config/types/response.ts";
import { withinBudget } from "./budget.ts";
import { isSinglePass } from "./single-pass.ts";

/**
 * Makes less of a JSON answer, as JSON text. Throws BudgetError, RangeError when it is nested too
 * deep to print, and whatever the expression makes of a value it was not made for.
 */
export type Reshape = (value: JsonValue) => string;

/**
 * What `select` and `fields` of a rule ask for.
 *
 * @returns undefined when they ask for nothing.
 * @throws ConfigError `invalid_select` with the position of the expression.
 */
export function compileReshape(response: ResponseConfig): Reshape | undefined {
  const select = response.select && compileSelect(response.select);
  const keep = response.fields.length === 0 ? undefined : compileFields(response.fields);
  if (select === undefined) return keep && ((value) => printExactly(keep(value)));
  const { choose } = select;
  const reshape: Reshape =
    keep === undefined
      ? (value) => printExactly(choose(value))
      : (value) => printExactly(keep(choose(value)));
  // A value that is named again and again is printed as often: that takes part in the budget.
  return select.isSinglePass ? reshape : (value) => withinBudget(() => reshape(value));
}

type Choose = (value: JsonValue) => JsonValue;

type Expression = ReturnType<typeof compile>;

interface Select {
  readonly choose: Choose;
  /** Whether its time is known by the size of the answer, which has a bound. */
  readonly isSinglePass: boolean;
}

function compileSelect({ expression, position }: NonNullable<ResponseConfig["select"]>): Select {
  const refuse = (message: string): never => {
    throw new ConfigError([
      { severity: "error", code: "invalid_select", message, position, help: undefined },
    ]);
  };
  const program = parse(expression, refuse);
  const unknown = functionsIn(program).find((name) => !isRegistered(name));
  if (unknown !== undefined) refuse(`select calls ${unknown}(), which JMESPath does not have`);
  const choose: Choose = (value) => {
    const found = TreeInterpreter.search(program, value as never) as JsonValue | undefined;
    // A name that only JavaScript knows (`constructor`) leads to what is no JSON.
    return typeof found === "function" || found === undefined ? null : found;
  };
  return { choose, isSinglePass: isSinglePass(program) };
}

function parse(expression: string, refuse: (message: string) => never): Expression {
  try {
    return compile(expression);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Syntax error[:,] /, "") : "";
    return refuse(`select is not a JMESPath expression: ${why}`);
  }
}

function functionsIn(program: Expression): readonly string[] {
  const names: string[] = [];
  const pending: unknown[] = [program];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (typeof node !== "object" || node === null) continue;
    const { type, name } = node as { readonly type?: unknown; readonly name?: unknown };
    if (type === "Function" && typeof name === "string") names.push(name);
    // The value of a literal is data that may look like a node.
    if (type !== "Literal") pending.push(...(Object.values(node) as unknown[]));
  }
  return names;
}

/** Member names below one level; an empty map keeps the whole value. */
interface Wanted extends Map<string, Wanted> {}

function compileFields(fields: readonly string[]): Choose {
  const wanted: Wanted = new Map();
  // Shorter paths last, so that `a` keeps all of `a` beside `a.b`.
  for (const field of fields.toSorted((a, b) => b.length - a.length)) {
    const path = field.split(".");
    let level = wanted;
    for (const [i, name] of path.entries()) {
      const next: Wanted = level.get(name) ?? new Map();
      if (i === path.length - 1) next.clear();
      level.set(name, next);
      level = next;
    }
  }
  return (value) => prune(value, wanted);
}

function prune(value: JsonValue, wanted: Wanted): JsonValue {
  if (wanted.size === 0) return value;
  if (Array.isArray(value)) {
    return (value as readonly JsonValue[]).map((item) => prune(item, wanted));
  }
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).flatMap(([name, member]) => {
    const inner = wanted.get(name);
    return inner === undefined ? [] : [[name, prune(member, inner)] as const];
  });
  return Object.fromEntries(kept);
}
