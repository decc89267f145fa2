import type { Issue } from "../base/issue.ts";
import type { JsonObject } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import type { Tool } from "../tools/tool.ts";
import type { Condition } from "./condition.ts";

/** What a caller may do with a tool. */
type Decision =
  | { readonly kind: "allowed" }
  /** Not listed, and called it answers like a tool that does not exist. */
  | { readonly kind: "hidden" }
  /** Listed; called it answers 403 with these scopes, all that the tool needs. */
  | { readonly kind: "needs_scopes"; readonly scopes: readonly string[] }
  /** Listed, but these arguments are refused. */
  | { readonly kind: "denied" };

/**
 * The one predicate that list and call ask. Pure.
 *
 * @param args The model's arguments; absent when the question is whether to list the tool.
 */
export type Permit = (tool: Tool, principal: Principal, args?: JsonObject) => Decision;

type Expression = NonNullable<Tool["when"]>;

interface Rule {
  /** Those that do not look at arguments: one that does not hold hides the tool. */
  readonly visible: readonly Condition[];
  readonly callable: readonly Condition[];
  readonly missing: Decision;
}

const allowed: Decision = { kind: "allowed" };
const hidden: Decision = { kind: "hidden" };
const denied: Decision = { kind: "denied" };

/**
 * @param login false: nobody has a token, so a tool that needs something of one could never be called.
 * @param stepUp false hides tools whose scopes the caller lacks.
 * @param baseline Scopes on every token, repeated in a challenge so that clients ask for the union.
 */
export async function compilePermit(
  tools: readonly Tool[],
  options: {
    readonly login: boolean;
    readonly stepUp: boolean;
    readonly baseline: readonly string[];
    /** Conditions on every tool, and on those of an API. */
    readonly when: Expression | undefined;
    readonly whenOfApi: ReadonlyMap<string, Expression>;
  },
): Promise<{ readonly permit: Permit; readonly issues: readonly Issue[] }> {
  const rules = new Map<Tool, Rule>();
  const issues: Issue[] = [];
  const written = [options.when, ...options.whenOfApi.values(), ...tools.map(({ when }) => when)];
  // Most gateways have none, and the language takes time and memory.
  const compileCondition = written.some((when) => when !== undefined)
    ? (await import("./condition.ts")).compileCondition
    : unforeseen;
  const compile = (when: Expression | undefined): readonly Condition[] => {
    const compiled = when && compileCondition(when);
    if (compiled?.issue) issues.push(compiled.issue);
    return compiled?.condition ? [compiled.condition] : [];
  };
  const common = compile(options.when);
  const ofApi = new Map([...options.whenOfApi].map(([api, when]) => [api, compile(when)]));
  for (const tool of tools) {
    const scopes = [...new Set([...options.baseline, ...tool.scopes])];
    const conditions = [...common, ...(ofApi.get(tool.api) ?? []), ...compile(tool.when)];
    if (!options.login) issues.push(...refuseWithoutLogin(tool));
    rules.set(tool, {
      visible: conditions.filter(({ usesArgs }) => !usesArgs),
      callable: conditions.filter(({ usesArgs }) => usesArgs),
      missing: options.stepUp ? { kind: "needs_scopes", scopes } : hidden,
    });
  }
  const permit: Permit = (tool, principal, args) => {
    const rule = rules.get(tool);
    if (rule === undefined) return hidden;
    for (const condition of rule.visible) if (!condition.holds(tool, principal, {})) return hidden;
    if (!tool.scopes.every((scope) => principal.scopes.has(scope))) return rule.missing;
    if (args === undefined) return allowed;
    for (const condition of rule.callable)
      if (!condition.holds(tool, principal, args)) return denied;
    return allowed;
  };
  return { permit, issues };
}

/** A condition that nobody looked for must not be left out: without it the tool would be open. */
function unforeseen(): never {
  throw new TypeError("a condition that was not expected");
}

function refuseWithoutLogin({ name, scopes, places, position }: Tool): Issue[] {
  const issues: Issue[] = [];
  const refuse = (code: string, message: string): void => {
    const help = "set auth.mode to oauth, or take it out of the rule";
    issues.push({ severity: "error", code, message, position, help });
  };
  if (scopes.length > 0) {
    refuse(
      "scopes_without_login",
      `${name} needs ${scopes.join(" ")}, but with auth.mode none no caller has scopes`,
    );
  }
  for (const { source } of places) {
    if (source.kind !== "principal" || source.path[0] !== "claims") continue;
    refuse(
      "claims_without_login",
      `${name} needs principal.${source.path.join(".")}, but with auth.mode none no caller has claims`,
    );
  }
  return issues;
}
