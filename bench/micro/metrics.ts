import type { Audit } from "../../src/observe/audit.ts";
import { createRecorder } from "../../src/observe/recorder.ts";
import { createRegistry } from "../../src/observe/metrics/registry.ts";
import { createTracing } from "../../src/observe/traces/tracing.ts";
import { callOf, success, traceOf } from "./audit.ts";
import type { MicroRow } from "./row.ts";

/** What a call costs above its audit record. */
export function metricRows(): readonly MicroRow[] {
  const audit = { call: () => true, note: () => {} } as unknown as Audit;
  const recorder = createRecorder(audit, createRegistry());
  const [call, trace] = [callOf(1), traceOf()];
  const tracer = {} as unknown as Parameters<typeof createTracing>[0];
  const options = { ratio: 0, propagates: true, carries: true };
  const { startCall } = createTracing(tracer, options, { now: () => 0 });
  return [
    {
      name: "a trace that is not recorded",
      // 3 µs with the metrics of a call (issue: metrics and unsampled tracing).
      atMost: 0.35,
      count: 100_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          const span = startCall(call, trace.tool, 0);
          span.step("policy.evaluate")();
          if (trace.tool === undefined) throw new TypeError("no tool");
          const sent = span.request(trace.tool, 1);
          if (sent.headers[1]?.length !== 55) throw new TypeError("no traceparent");
          sent.end(200, undefined);
          span.end(success, trace);
        }
      },
    },
    {
      name: "metrics of a call",
      atMost: 0.25,
      count: 200_000,
      run(count) {
        for (let i = 0; i < count; i++) {
          recorder.enter();
          recorder.believed();
          if (recorder.call(call, success, trace) !== true) throw new TypeError("not recorded");
        }
      },
    },
  ];
}
