import { Environment, type ASTNode } from "@marcbachmann/cel-js";
import { digitsOf, exactFormOf } from "../base/exact-number.ts";
import type { Issue, Position } from "../base/issue.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import type { Tool } from "../tools/tool.ts";

/** A compiled CEL expression over `principal`, `tool` and `args`. */
export interface Condition {
  readonly usesArgs: boolean;
  /** An error while evaluating (a claim that is not there) is a refusal. */
  readonly holds: (tool: Tool, principal: Principal, args: JsonObject) => boolean;
}

const environment = new Environment({
  limits: { maxAstNodes: 1_000, maxDepth: 64, maxListElements: 200, maxMapEntries: 100 },
})
  .registerVariable("principal", "map")
  .registerVariable("tool", "map")
  .registerVariable("args", "map");

/** Checks types and names at load: a rule that cannot be evaluated must not be found out by a call. */
export function compileCondition(when: {
  readonly expression: string;
  readonly position: Position;
}): { readonly condition: Condition | undefined; readonly issue: Issue | undefined } {
  try {
    const run = environment.parse(when.expression);
    const checked = run.check();
    if (!checked.valid) throw checked.error ?? new TypeError("is not valid");
    if (checked.type !== "bool" && checked.type !== "dyn") {
      throw new TypeError(`gives ${checked.type ?? "something"}, expected bool`);
    }
    const condition: Condition = {
      usesArgs: mentions(run.ast, "args"),
      holds(tool, principal, args) {
        try {
          const shown = showArgs(args);
          return run({ principal: show(principal), tool: showTool(tool), args: shown }) === true;
        } catch {
          return false;
        }
      },
    };
    return { condition, issue: undefined };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "is not valid";
    const issue: Issue = {
      severity: "error",
      code: "invalid_condition",
      message: `when: ${reason}`,
      position: when.position,
      help: "a CEL expression over principal, tool and args that gives true or false",
    };
    return { condition: undefined, issue };
  }
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
  const pending: unknown[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (Array.isArray(node)) pending.push(...(node as unknown[]));
    else if (typeof node === "object" && node !== null && "op" in node && "args" in node) {
      if (node.op === "id" && node.args === name) return true;
      pending.push(node.args);
    }
  }
  return false;
}
