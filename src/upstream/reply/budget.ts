import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { types } from "node:util";
import { createContext, Script, type Context } from "node:vm";

/** All other calls of the process wait while one expression works. */
const budgetMs = 100;
const timedOut = "ERR_SCRIPT_EXECUTION_TIMEOUT";

/**
 * What watches over a script is a thread with an event loop of its own, and Node ends the process
 * when that cannot be opened: four descriptors on Node 20.
 */
const neededDescriptors = 8;

/** The work was ended, or could not be watched over. */
export class BudgetError extends Error {
  override readonly name = "BudgetError";
}

interface Sandbox extends Context {
  work: () => void;
}

interface Watched {
  readonly script: Script;
  readonly sandbox: Sandbox;
}

/** Made once, when an expression needs it: a context is half a megabyte. */
let watched: Watched | undefined;

/**
 * Does work that cannot be trusted to end. Only scripts of `node:vm` can be interrupted, and with
 * one whatever it calls: loops, regular expressions, sorting and printing.
 *
 * @throws BudgetError after 100 ms, and whatever `work` throws.
 */
export function withinBudget<T>(work: () => T): T {
  watched ??= createWatched();
  const { script, sandbox } = watched;
  let done: { readonly made: T } | undefined;
  sandbox.work = () => (done = { made: work() });
  try {
    reserveDescriptors();
    script.runInContext(sandbox, { timeout: budgetMs });
  } catch (error) {
    throw isTimeout(error) ? new BudgetError(`not done in ${budgetMs} ms`) : error;
  } finally {
    sandbox.work = idle;
  }
  if (done === undefined) throw new BudgetError("not done");
  return done.made;
}

function idle(): void {}

function createWatched(): Watched {
  const sandbox: Sandbox = { work: idle };
  createContext(sandbox);
  return { script: new Script("work()"), sandbox };
}

/** The error is of the script's own context: its class is not ours. */
function isTimeout(error: unknown): boolean {
  return types.isNativeError(error) && "code" in error && error.code === timedOut;
}

function reserveDescriptors(): void {
  const open: number[] = [];
  try {
    while (open.length < neededDescriptors) open.push(openSync(devNull, "r"));
  } catch (cause) {
    throw new BudgetError("no free descriptors", { cause });
  } finally {
    for (const descriptor of open) closeSync(descriptor);
  }
}
