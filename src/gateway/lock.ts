import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Issue } from "../base/issue.ts";
import type { Config } from "../config/config.ts";
import type { Catalog } from "../tools/catalog.ts";
import { compareLocks, lockOf, parseLock, type LockDifference } from "../tools/lock.ts";

/** Beside gateway.yaml. */
export const lockName = "tools.lock.json";

/** Finds what serves otherwise than somebody has agreed to. */
export type CheckLock = (catalog: Catalog) => readonly Issue[];

/**
 * Reads what was agreed to, where gateway.yaml wants that.
 *
 * @param wanted Gets the file, so that agreeing is seen as a change.
 */
export async function readLock(
  { file, trust }: Config,
  wanted: Set<string>,
): Promise<CheckLock | undefined> {
  if (trust === "auto") return undefined;
  const path = join(dirname(file), lockName);
  wanted.add(path);
  const text = await readFile(path, "utf8").catch(() => undefined);
  const lock = text === undefined ? undefined : parseLock(text);
  if (lock !== undefined)
    return (catalog) =>
      compareLocks(lock, lockOf(catalog)).map((difference) => issueOf(difference, catalog, file));
  const message = `trust: locked needs ${lockName} of version 1 beside gateway.yaml`;
  return () => [{ ...found, message, position: { file, line: 1, column: 1 } }];
}

const found = {
  severity: "error",
  code: "tools_not_locked",
  help: "tollgate tools lock --check says what differs; tollgate tools lock agrees to it",
} as const;

const said = { new: "is new", gone: "is gone", changed: "changed", renamed: "has a new name" };

function issueOf({ what, tool }: LockDifference, { tools }: Catalog, file: string): Issue {
  const position = tools.get(tool)?.operation.position ?? { file, line: 1, column: 1 };
  return { ...found, message: `the tool ${tool} ${said[what]} since ${lockName}`, position };
}
