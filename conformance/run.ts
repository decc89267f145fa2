import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startApi } from "./api.ts";
import { freePort, startGateway } from "./gateway.ts";
import { startIssuer, startProxy } from "./guard.ts";
import { runSuite, type SuiteResult, type SuiteRun } from "./suite.ts";

const here = import.meta.dirname;
const out = join(here, "out");

const modern = ["--spec-version", "2026-07-28"];

/** The last three are in no requirement set yet: a run of a set reports them, but never fails. */
const runs: readonly SuiteRun[] = [
  { name: "2026-07-28", options: ["--requirements", "2026-07-28"], expected: "2026-07-28.yml" },
  { name: "2025-11-25", options: ["--requirements", "2025-11-25"], expected: "2025-11-25.yml" },
  ...["json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"].map(
    (scenario) => ({
      name: scenario,
      options: ["--scenario", scenario, ...modern],
      expected: "pending.yml",
    }),
  ),
];

/** What a round tests: where its MCP endpoint is, and how to end what serves it. */
interface Round {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Everybody may call, on a loopback address. */
async function openRound(directory: string): Promise<Round> {
  const port = await freePort();
  return startRound(directory, `http://127.0.0.1:${port}`, port, "  mode: none");
}

/** Every request needs an access token; a proxy adds one to each request of the suite. */
async function guardedRound(directory: string): Promise<Round> {
  const issuer = await startIssuer();
  const port = await freePort();
  let token = "";
  const proxy = await startProxy(() => ({ port, token }));
  token = await issuer.token(`${proxy.url}/mcp`);
  const auth = `  issuers: [{issuer: "${issuer.url}"}]`;
  const round = await startRound(directory, proxy.url, port, auth);
  await refusesWithoutToken(`http://127.0.0.1:${port}/mcp`);
  return {
    ...round,
    async close() {
      await proxy.close();
      await round.close();
      await issuer.close();
    },
  };
}

/** Else this round would prove no more than the other. */
async function refusesWithoutToken(url: string): Promise<void> {
  const { status } = await fetch(url, { method: "POST" });
  if (status !== 401) throw new Error(`a request without token got ${status}`);
}

/** @param auth Lines that stand below `auth:` in gateway.yaml. */
async function startRound(
  directory: string,
  url: string,
  port: number,
  auth: string,
): Promise<Round> {
  // Copies, because releases of the API rewrite its description.
  const files = join(directory, "files");
  await mkdir(files, { recursive: true });
  const description = join(files, "openapi.yaml");
  await copyFile(join(here, "openapi.yaml"), description);
  const text = await readFile(join(here, "gateway.yaml"), "utf8");
  await writeFile(join(files, "gateway.yaml"), text.replace("  mode: none", auth));
  const api = await startApi(description);
  const gateway = await startGateway({
    file: join(files, "gateway.yaml"),
    output: join(directory, "gateway.ndjson"),
    env: { GATEWAY_URL: url, GATEWAY_LISTEN: `127.0.0.1:${port}`, API_URL: api.url },
  });
  return {
    url: `${url}/mcp`,
    async close() {
      await gateway.close();
      await api.close();
    },
  };
}

function report(result: SuiteResult, { name }: SuiteRun): void {
  process.stdout.write(`\n${name}: ${result.passed ? "as expected" : "NOT AS EXPECTED"}\n`);
  for (const { scenario, succeeded, total, failed } of result.scenarios) {
    const mark = failed.length === 0 ? "pass" : "fail";
    const which = failed.length === 0 ? "" : `  ${failed.join(" ")}`;
    process.stdout.write(`  ${mark}  ${scenario} ${succeeded}/${total}${which}\n`);
  }
}

await rm(out, { recursive: true, force: true });
let passed = true;
for (const [name, start] of Object.entries({ open: openRound, guarded: guardedRound })) {
  process.stdout.write(`\n== ${name} ==\n`);
  const round = await start(join(out, name));
  try {
    for (const run of runs) {
      const result = await runSuite(round.url, run, join(out, name, run.name));
      report(result, run);
      passed &&= result.passed;
    }
  } finally {
    await round.close();
  }
}
if (!passed) process.stdout.write(`\nWhat failed and why: ${out}/*/*/console.txt\n`);
process.exitCode = passed ? 0 : 1;
