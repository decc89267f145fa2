import type { Registry } from "./registry.ts";

/** What happens between the gateway and an API, beside the calls themselves. */
export interface UpstreamMeasures {
  /** @param reason Code of what went wrong before, such as `upstream_unreachable` or `503`. */
  readonly retried: (upstream: string, reason: string) => void;
  readonly retryBudgetExhausted: () => void;
  readonly truncated: () => void;
}

/** Numbers that dashboards and alert rules know. */
const breakerStates = { closed: 0, "half-open": 1, open: 2 } as const;

export type BreakerState = keyof typeof breakerStates;

/** @param breakers Asked at every scrape, by upstream. */
export function createUpstreamMeasures(
  registry: Registry,
  breakers: () => Iterable<readonly [upstream: string, state: BreakerState]>,
): UpstreamMeasures {
  registry.collect(
    {
      name: "tollgate_upstream_breaker_state",
      help: "0: requests go through, 1: one is tried, 2: none is sent.",
      labels: ["upstream"],
      type: "gauge",
    },
    () => [...breakers()].map(([name, state]) => ({ labels: [name], value: breakerStates[state] })),
  );
  const retries = registry.counter({
    name: "tollgate_upstream_retries_total",
    help: "Requests that were sent once more.",
    labels: ["upstream", "reason"],
  });
  const exhausted = registry.counter({
    name: "tollgate_retry_budget_exhausted_total",
    help: "Requests that would have been sent once more, had there been fewer of them.",
    labels: [],
  });
  const truncated = registry.counter({
    name: "tollgate_upstream_response_truncated_total",
    help: "Answers that were cut before the model got them.",
    labels: [],
  });
  return {
    retried: (upstream, reason) => retries.add([upstream, reason]),
    retryBudgetExhausted: () => exhausted.add([]),
    truncated: () => truncated.add([]),
  };
}
