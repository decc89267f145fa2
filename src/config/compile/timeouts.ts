import type { LimitsConfig } from "../types/limits.ts";
import type { RuleConfig } from "../types/rule.ts";
import type { TimeoutsConfig } from "../types/timeouts.ts";
import { child, entriesOf, itemsOf, label, quote, type YamlNode } from "../node.ts";
import { durationOf, type Scope } from "./scope.ts";

const maxTotal = "300s";
const phaseMs = 10_000;

/** Of one API. */
export function compileTimeouts(scope: Scope, api: YamlNode): TimeoutsConfig {
  const range = { min: "1ms", max: maxTotal };
  const totalMs = durationOf(child(api, "timeout"), range, scope.problems);
  const phases = child(api, "timeouts");
  const shortest = Math.min(phaseMs, totalMs);
  return {
    connectMs: durationOf(child(phases, "connect"), { min: "1ms", max: "60s" }, scope.problems),
    headersMs: phaseOf(scope, child(phases, "headers"), totalMs) ?? shortest,
    idleMs: phaseOf(scope, child(phases, "idle"), totalMs) ?? shortest,
    totalMs,
  };
}

/** Of one rule: what it does not say is its API's. */
export function compileToolTimeouts(
  scope: Scope,
  rule: YamlNode,
  api: RuleConfig["timeouts"],
): RuleConfig["timeouts"] {
  const node = child(rule, "timeout");
  const range = { min: "1ms", max: maxTotal };
  const totalMs = node === undefined ? api.totalMs : durationOf(node, range, scope.problems);
  const phases = child(rule, "timeouts");
  return {
    headersMs:
      phaseOf(scope, child(phases, "headers"), totalMs) ?? Math.min(api.headersMs, totalMs),
    idleMs: phaseOf(scope, child(phases, "idle"), totalMs) ?? Math.min(api.idleMs, totalMs),
    totalMs,
  };
}

/** A part that may take longer than the whole would never end first: nobody means that. */
function phaseOf(
  { problems }: Scope,
  node: YamlNode | undefined,
  totalMs: number,
): number | undefined {
  if (node === undefined) return undefined;
  const ms = durationOf(node, { min: "1ms", max: maxTotal }, problems);
  // 0: the whole has a finding of its own.
  if (totalMs > 0 && ms > totalMs) {
    const message = `${label(node)} is longer than the timeout of ${totalMs / 1000}s, with ${quote(node)}`;
    problems.error({ at: node, code: "out_of_range", message });
  }
  return ms;
}

/** A call that waits for an API longer than it may last would be cut by the wrong limit. */
export function checkCallTimeout({ root, problems }: Scope, { callTimeoutMs }: LimitsConfig): void {
  if (callTimeoutMs === 0) return;
  for (const [, api] of entriesOf(child(root, "apis"))) {
    for (const node of [api, ...itemsOf(child(api, "tools"))]) {
      const timeout = child(node, "timeout");
      if (timeout === undefined) continue;
      const ms = durationOf(timeout, { min: "0ms", max: "999999999h" }, problems);
      if (ms <= callTimeoutMs) continue;
      problems.error({
        at: timeout,
        code: "out_of_range",
        message: `${label(timeout)} is longer than a whole call may take: limits.callTimeout is ${callTimeoutMs / 1000}s`,
        help: "raise limits.callTimeout, or shorten this",
      });
    }
  }
}
