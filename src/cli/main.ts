#!/usr/bin/env node
import { run } from "./run.ts";

/** What crashes is no state to go on from: the supervisor starts a new process. */
const crashed = 70;
const interrupted = 130;

const listeners = new Map<NodeJS.Signals, Set<() => void>>();

/** The first SIGINT or SIGTERM asks to stop; the second does not wait for anybody. */
function receive(name: NodeJS.Signals): void {
  const waiting = [...(listeners.get(name) ?? [])];
  if (name !== "SIGHUP") listeners.get(name)?.clear();
  if (waiting.length === 0) process.exit(interrupted);
  for (const listener of waiting) listener();
}

process.on("uncaughtException", (error) => {
  process.stderr.write(`${JSON.stringify({ level: 60, msg: "crashed", stack: error.stack })}\n`);
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
