import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One run of the suite: a whole requirement set, or one scenario. */
export interface SuiteRun {
  readonly name: string;
  readonly options: readonly string[];
  /** File that names what is expected to fail. */
  readonly expected: string;
}

export interface SuiteResult {
  /** The suite's own verdict: nothing failed but what is expected, and all of that did. */
  readonly passed: boolean;
  readonly scenarios: readonly ScenarioResult[];
}

interface ScenarioResult {
  readonly scenario: string;
  /** Checks that succeeded, of those that were not skipped. */
  readonly succeeded: number;
  readonly total: number;
  /** Ids of the others; a warning counts. */
  readonly failed: readonly string[];
}

interface Check {
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
}

const command = join(import.meta.dirname, "node_modules/.bin/conformance");

export async function runSuite(
  url: string,
  run: SuiteRun,
  directory: string,
): Promise<SuiteResult> {
  await mkdir(directory, { recursive: true });
  const child = spawn(
    process.execPath,
    [
      command,
      "server",
      "--url",
      url,
      "--output-dir",
      directory,
      "--expected-failures",
      join(import.meta.dirname, run.expected),
      ...run.options,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const output = createWriteStream(join(directory, "console.txt"));
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  const [code] = (await once(child, "close")) as [number | null];
  output.end();
  return { passed: code === 0, scenarios: await readResults(directory) };
}

/** The suite leaves one directory per scenario: `server-<scenario>-<ISO time>`. */
async function readResults(directory: string): Promise<readonly ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  for (const entry of (await readdir(directory)).toSorted()) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry)?.[1];
    if (scenario === undefined) continue;
    const text = await readFile(join(directory, entry, "checks.json"), "utf8");
    const judged = (JSON.parse(text) as readonly Check[]).filter(
      ({ status }) => status !== "SKIPPED" && status !== "INFO",
    );
    const failed = judged.filter(({ status }) => status !== "SUCCESS").map(({ id }) => id);
    results.push({
      scenario,
      succeeded: judged.length - failed.length,
      total: judged.length,
      failed: [...new Set(failed)],
    });
  }
  return results;
}
