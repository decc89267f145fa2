import type { Audit } from "../../src/observe/audit.ts";
import { createRecorder } from "../../src/observe/recorder.ts";
import { createRegistry } from "../../src/observe/registry.ts";
import { callOf, success, traceOf } from "./audit.ts";
import type { MicroRow } from "./row.ts";

/** What a call costs above its audit record. */
export function metricRows(): readonly MicroRow[] {
  const audit = { call: () => true, note: () => {} } as unknown as Audit;
  const recorder = createRecorder(audit, createRegistry());
  const [call, trace] = [callOf(1), traceOf()];
  return [
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
