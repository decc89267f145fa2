// Loaded into a gateway under test before its own code: at SIGUSR2 it collects garbage and adds what
// is left of the heap, in bytes, as a line to the file named by HEAP_FILE.
import { appendFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

process.on("SIGUSR2", () => {
  // The second takes what finalizers of the first let go.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  appendFileSync(process.env.HEAP_FILE, `${heapUsed + external}\n`);
});
