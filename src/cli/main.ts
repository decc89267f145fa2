#!/usr/bin/env node
import { readStack } from "../observe/stack.ts";
import { run } from "./run.ts";

/** What crashes is no state to go on from: the supervisor starts a new process. */
const crashed = 70;
const interrupted = 130;
/** For output that a reader has not taken when everything else has ended. */
const lastBytesMs = 1_000;

const listeners = new Map<NodeJS.Signals, Set<() => void>>();
const interruptions = new Set<() => void>();
let stopping = false;

/** The first SIGINT or SIGTERM asks to stop; the second, of either, does not wait for anybody. */
function receive(name: NodeJS.Signals): void {
  if (name !== "SIGHUP") {
    if (stopping) {
      for (const listener of interruptions) listener();
      process.exit(interrupted);
    }
    stopping = true;
  }
  for (const listener of listeners.get(name) ?? []) listener();
}

// Whoever read the output, e.g. `head`, has what it wanted: that is no crash.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

process.on("uncaughtException", (error) => {
  const stack = readStack(error);
  process.stderr.write(`${JSON.stringify({ level: 60, msg: "crashed", stack })}\n`);
  process.exit(crashed);
});

const code = await run(process.argv.slice(2), {
  // Only stdio mode may touch it: reading keeps the process alive.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  onInterrupt: (listener) => void interruptions.add(listener),
  onSignal(names, listener) {
    for (const name of names) {
      const known = listeners.get(name);
      if (known) known.add(listener);
      else {
        listeners.set(name, new Set([listener]));
        process.on(name, receive);
      }
    }
  },
});
process.exitCode = code;
// What could not be ended in time would keep the process alive.
if (stopping && code !== 0) process.exit(code);
// So would what nobody reads: it was waited for.
if (stopping) setTimeout(() => process.exit(code), lastBytesMs).unref();
