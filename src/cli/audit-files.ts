import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { AuditConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { auditFile } from "../observe/audit-file.ts";
import { printLine, type Io } from "./io.ts";

/** The file that the audit log is written to; undefined when it goes to none. */
export function auditFileOf({ sinks }: AuditConfig): string | undefined {
  const dir = sinks.find((sink) => sink.kind === "file")?.dir;
  return dir === undefined ? undefined : join(dir, auditFile);
}

/** @returns undefined, after saying so, when there is nothing to read. */
export async function auditFilesOf(
  { files, config }: { readonly files: readonly string[]; readonly config: string },
  io: Io,
): Promise<readonly string[] | undefined> {
  const own = files.length > 0 ? undefined : auditFileOf((await loadConfig(config, io.env)).audit);
  const all = own === undefined ? files : [own];
  if (all.length === 0) {
    printLine(io.stderr, "the audit log goes to no file: add a file sink under audit.sinks");
    return undefined;
  }
  for (const file of all) {
    if ((await stat(file).catch(() => undefined)) !== undefined) continue;
    printLine(io.stderr, `${file} does not exist yet: nothing was called`);
    return undefined;
  }
  return all;
}
