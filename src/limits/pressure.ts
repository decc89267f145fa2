import { monitorEventLoopDelay } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";

/** How hard the process has it. */
export interface Pressure {
  /** What one of a hundred turns of the event loop was late by, since the last measure. */
  readonly loopDelayMs: number;
  /** Used of what may be used, from 0 to 1. */
  readonly heap: number;
  /** The same of the container's memory; 0 without a limit. */
  readonly memory: number;
}

const resolutionMs = 20;

export interface Gauge {
  /** Since the last time. */
  readonly measure: () => Pressure;
  readonly close: () => void;
}

export function createGauge(): Gauge {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  return {
    measure() {
      const late = delay.percentile(99) / 1e6 - resolutionMs;
      delay.reset();
      const { used_heap_size: used, heap_size_limit: max } = getHeapStatistics();
      const allowed = process.constrainedMemory();
      // Without a limit the system says 0 or a number that no machine has.
      const limited = allowed > 0 && allowed < Number.MAX_SAFE_INTEGER;
      return {
        loopDelayMs: Math.max(0, late),
        heap: used / max,
        memory: limited ? process.memoryUsage.rss() / allowed : 0,
      };
    },
    close: () => void delay.disable(),
  };
}
