import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { AuditConfig } from "../config/types/audit.ts";
import { loadConfig } from "../config/load.ts";
import { auditFile, listLog } from "../observe/sinks/log-dir.ts";
import { printLine, type Io } from "./io.ts";

/** Where the files of the audit log are; undefined when it goes to none. */
export function auditDirOf({ sinks }: AuditConfig): string | undefined {
  return sinks.find((sink) => sink.kind === "file")?.dir;
}

/** @returns undefined, after saying so, when there is nothing to read. */
export async function auditFilesOf(
  { files, config }: { readonly files: readonly string[]; readonly config: string },
  io: Io,
): Promise<readonly string[] | undefined> {
  const own = files.length > 0 ? undefined : auditDirOf((await loadConfig(config, io.env)).audit);
  if (files.length === 0 && own === undefined) {
    printLine(io.stderr, "the audit log goes to no file: add a file sink under audit.sinks");
    return undefined;
  }
  const found = own === undefined ? files : listLog(own);
  const all = own !== undefined && found.length === 0 ? [join(own, auditFile)] : found;
  for (const file of all) {
    if ((await stat(file).catch(() => undefined)) !== undefined) continue;
    printLine(io.stderr, `${file} does not exist yet: nothing was called`);
    return undefined;
  }
  return all;
}
