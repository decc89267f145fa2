import type { LimitsConfig } from "../types/limits.ts";
import { child } from "../node.ts";
import { durationOf, numberOf, rateOf, type Scope, sizeOf } from "./scope.ts";

export function compileLimits({ root, problems }: Scope): LimitsConfig {
  const limits = child(root, "limits");
  const rates = child(limits, "rate");
  const shedding = child(limits, "shedding");
  return {
    maxRequestBytes: sizeOf(child(limits, "requestSize"), problems),
    maxResponseBytes: sizeOf(child(limits, "responseSize"), problems),
    queue: numberOf(child(limits, "queue")),
    queueMs: durationOf(child(limits, "queueTimeout"), { min: "1ms", max: "60s" }, problems),
    maxPrincipalCalls: numberOf(child(limits, "principalConcurrency")),
    maxCalls: numberOf(child(limits, "totalConcurrency")),
    rates: {
      principal: rateOf(child(rates, "principal")),
      client: rateOf(child(rates, "client")),
      tool: rateOf(child(rates, "tool")),
      external: rateOf(child(rates, "external")),
      address: rateOf(child(rates, "address")),
    },
    callTimeoutMs: durationOf(child(limits, "callTimeout"), { min: "1ms", max: "600s" }, problems),
    shedding: {
      maxLoopDelayMs: durationOf(
        child(shedding, "loopDelay"),
        { min: "10ms", max: "60s" },
        problems,
      ),
      afterMs: durationOf(child(shedding, "after"), { min: "0s", max: "60s" }, problems),
    },
    maxConnections: numberOf(child(limits, "connections")),
    maxListenStreams: numberOf(child(limits, "listenStreams")),
    maxTokens: numberOf(child(limits, "tokens")),
  };
}
