import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { loadConfig } from "../config/load.ts";
import { readLines } from "../observe/sinks/read-lines.ts";
import { createVerifier, type Finding, type VerifyReport } from "../observe/verify.ts";
import { auditFilesOf } from "./audit-files.ts";
import { exitCodes, printLine, UsageError, type ExitCode, type Io } from "./io.ts";

export interface VerifyOptions {
  readonly config: string;
  /** Oldest first; empty: those of the file sink of gateway.yaml. */
  readonly files: readonly string[];
  /** File with checkpoints that were copied elsewhere. */
  readonly anchor: string | undefined;
  /** PEM of the key that signs; the default is that of gateway.yaml. */
  readonly publicKey: string | undefined;
  readonly json: boolean;
}

/** Checks that the log is whole and as it was written. */
export async function verifyAudit(options: VerifyOptions, io: Io): Promise<ExitCode> {
  const files = await auditFilesOf(options, io);
  if (files === undefined) return exitCodes.refused;
  const anchors = options.anchor === undefined ? [] : await readAnchors(options.anchor);
  const key = await readKey(options, io);
  const verifier = createVerifier({ key, anchors });
  for (const [i, file] of files.entries()) {
    const rest = await readLines(file, verifier.line);
    // A rotated file ends with a whole line.
    if (i === files.length - 1 || rest !== "") verifier.tail(rest);
  }
  const report = verifier.report();
  if (options.json) printLine(io.stdout, JSON.stringify(report));
  else for (const line of describe(report, key !== undefined, options)) printLine(io.stdout, line);
  return report.findings.length === 0 ? exitCodes.ok : exitCodes.refused;
}

/** Any copy of the log, or of its checkpoints alone. */
async function readAnchors(file: string): Promise<readonly string[]> {
  const anchors: string[] = [];
  const add = (line: string): void => {
    if (line.includes('"event":"audit.checkpoint"')) anchors.push(line);
  };
  add(await readLines(file, add));
  if (anchors.length === 0) throw new UsageError(`${file} holds no checkpoint`);
  return anchors;
}

async function readKey(
  { publicKey, files, config }: VerifyOptions,
  { env }: Io,
): Promise<KeyObject | undefined> {
  if (publicKey === undefined) {
    if (files.length > 0) return undefined;
    const { signingKey } = (await loadConfig(config, env)).audit;
    return signingKey && createPublicKey(createPrivateKey(signingKey.reveal()));
  }
  try {
    return createPublicKey(await readFile(publicKey));
  } catch (cause) {
    throw new UsageError(`${publicKey} is no public key in PEM form`, { cause });
  }
}

const shown = 20;

function describe(
  report: VerifyReport,
  signed: boolean,
  { anchor }: VerifyOptions,
): readonly string[] {
  const { records, chains, checkpoints, findings, withoutResult, afterCheckpoint, open } = report;
  const lines = [`${records} records, ${chains} starts, ${checkpoints} checkpoints`];
  lines.push(...findings.slice(0, shown).map(describeFinding));
  if (findings.length > shown) lines.push(`… and ${findings.length - shown} more`);
  for (const { id, line } of withoutResult.slice(0, shown)) {
    lines.push(`line ${line}: call ${id} was announced and has no result`);
  }
  if (withoutResult.length > shown) {
    lines.push(`… and ${withoutResult.length - shown} more calls without result`);
  }
  if (open > 0) lines.push(`${open} starts have no end: they run, were killed, or were cut off`);
  if (!signed) lines.push("signatures were not checked: no key is known");
  if (anchor === undefined) {
    lines.push(
      `a cut end shows only with --anchor; ${afterCheckpoint} records follow the last checkpoint`,
    );
  }
  lines.push(findings.length === 0 ? "ok" : "not ok");
  return lines;
}

function describeFinding({ kind, line, seq, chain, message }: Finding): string {
  const where = seq === undefined ? "" : `, record ${seq} of ${chain ?? "?"}`;
  return `line ${line}${where}: ${kind}: ${message}`;
}
