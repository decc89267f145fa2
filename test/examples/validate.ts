import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Io } from "../../src/cli/io.ts";
import { run } from "../../src/cli/run.ts";

export interface Verdict {
  readonly code: number;
  readonly findings: readonly object[];
  /** What the operator reads at the end. */
  readonly said: string;
}

/** `tollgate validate` of this file, in this process. */
export async function validateFile(file: string, env: Io["env"]): Promise<Verdict> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const io: Io = {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env,
    onSignal: () => {},
    onInterrupt: () => {},
  };
  const code = await run(["validate", "-c", file, "--format", "json"], io);
  stdout.end();
  stderr.end();
  const [findings, said] = await Promise.all([text(stdout), text(stderr)]);
  return { code, findings: JSON.parse(findings) as object[], said };
}
