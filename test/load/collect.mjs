// Loaded into a gateway under test before its own code: at SIGUSR2 it collects garbage and adds what
// is left, in bytes, as a line to the file named by HEAP_FILE: the heap, then the machine code in it.
// Before, a snapshot of the heap is written to SNAPSHOT, where that is named.
// LEAK is what it keeps of itself, in bytes an hour: how a test shows that it sees a leak.
import { appendFileSync } from "node:fs";
import { getHeapCodeStatistics, setFlagsFromString, writeHeapSnapshot } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

process.on("SIGUSR2", () => {
  // The second takes what finalizers of the first let go.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  if (process.env.SNAPSHOT) writeHeapSnapshot(process.env.SNAPSHOT);
  const { code_and_metadata_size: code } = getHeapCodeStatistics();
  appendFileSync(process.env.HEAP_FILE, `${heapUsed + external} ${code}\n`);
});

const leakEvery = 1_000;
const leak = Math.round((Number(process.env.LEAK ?? 0) * leakEvery) / 3_600_000);
if (leak > 0) {
  const kept = [];
  setInterval(() => kept.push(Buffer.alloc(leak).toString("latin1")), leakEvery).unref();
}
