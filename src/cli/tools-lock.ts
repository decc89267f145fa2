import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { inspect } from "../gateway.ts";
import { lockName } from "../gateway/lock.ts";
import { compareLocks, lockOf, parseLock, printLock, type Lock } from "../tools/lock.ts";
import { exitCodes, printLine, UsageError, type ExitCode, type Io } from "./io.ts";
import { gatewayOptions, quietPorts } from "./setup.ts";

export interface LockOptions {
  readonly config: string;
  /** Compare only; a difference is exit 1. */
  readonly check: boolean;
  readonly json: boolean;
}

/**
 * Writes `tools.lock.json` beside gateway.yaml, or compares it: a name or a schema that changes because
 * a document did becomes a difference that somebody can see, and a check of CI can stop.
 */
export async function lockTools(options: LockOptions, io: Io): Promise<ExitCode> {
  const gateway = gatewayOptions(io, options.config, quietPorts);
  const now = lockOf((await inspect(gateway, "unlocked")).catalog);
  const file = join(dirname(resolve(options.config)), lockName);
  if (!options.check) {
    await writeFile(file, printLock(now));
    printLine(io.stderr, `${lockName}: ${now.size} tools`);
    return exitCodes.ok;
  }
  const differences = compareLocks(await read(file), now);
  const lines = differences.map(({ what, tool, was }) =>
    was === undefined ? `${what}  ${tool}` : `${what}  ${was} -> ${tool}`,
  );
  if (options.json) printLine(io.stdout, JSON.stringify(differences));
  else for (const line of lines) printLine(io.stdout, line);
  if (differences.length === 0) return exitCodes.ok;
  printLine(
    io.stderr,
    `${lockName} is not what gateway.yaml makes: tollgate tools lock accepts it`,
  );
  return exitCodes.refused;
}

async function read(file: string): Promise<Lock> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UsageError(`cannot read ${file}: tollgate tools lock writes it`, { cause });
  });
  const lock = parseLock(text);
  if (lock === undefined) throw new UsageError(`${file} is no ${lockName} of version 1`);
  return lock;
}
