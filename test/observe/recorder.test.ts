import { expect, test } from "vitest";
import type { Audit } from "../../src/observe/audit.ts";
import type { Note } from "../../src/observe/record/event.ts";
import { createRecorder } from "../../src/observe/recorder.ts";
import { createRegistry } from "../../src/observe/metrics/registry.ts";
import { createUpstreamMeasures } from "../../src/observe/metrics/upstream-measures.ts";
import { callOf, traceOf } from "./audit.ts";

const nobody = {
  principal: undefined,
  transport: "http",
  client: undefined,
  requestId: undefined,
  detail: undefined,
} as const;

test("limits and sheds are counted, whether a call had started or not", () => {
  const registry = createRegistry();
  const noted: Note[] = [];
  const audit = {
    call: () => true,
    note: (note: Note) => void noted.push(note),
  } as unknown as Audit;
  const recorder = createRecorder(audit, registry);
  const denied = { event: "rate.deny", outcome: "denied", reason: "rate_limited" } as const;
  void recorder.call(callOf(), { ...denied, limit: "tool" }, traceOf({ tool: undefined }));
  recorder.note({ ...nobody, ...denied, detail: { count: 4, limit: "address" } });
  void recorder.call(callOf(), { event: "tool.call", outcome: "shed", reason: "busy" }, traceOf());
  recorder.note({ ...nobody, event: "request.reject", outcome: "shed", reason: "overloaded" });
  const lines = registry.expose().split("\n");
  expect(lines).toContain('tollgate_rate_limited_total{limit="tool"} 1');
  expect(lines).toContain('tollgate_rate_limited_total{limit="address"} 4');
  expect(lines).toContain('tollgate_shed_total{reason="busy"} 1');
  expect(lines).toContain('tollgate_shed_total{reason="overloaded"} 1');
  expect(noted).toHaveLength(2);
});

test("retries, cut answers and breakers have the names that dashboards know", () => {
  const registry = createRegistry();
  const measures = createUpstreamMeasures(registry, () => [
    ["orders", "open"],
    ["courses", "closed"],
    ["people", "half-open"],
  ]);
  measures.retried("orders", "503");
  measures.retryBudgetExhausted();
  measures.truncated();
  const lines = registry.expose().split("\n");
  expect(lines).toContain('tollgate_upstream_breaker_state{upstream="orders"} 2');
  expect(lines).toContain('tollgate_upstream_breaker_state{upstream="courses"} 0');
  expect(lines).toContain('tollgate_upstream_breaker_state{upstream="people"} 1');
  expect(lines).toContain('tollgate_upstream_retries_total{upstream="orders",reason="503"} 1');
  expect(lines).toContain("tollgate_retry_budget_exhausted_total 1");
  expect(lines).toContain("tollgate_upstream_response_truncated_total 1");
});
