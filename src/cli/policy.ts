import type { Principal } from "../base/principal.ts";
import { readPolicyCases, type PolicyCase } from "../config/policy-cases.ts";
import { inspect } from "../gateway.ts";
import type { Snapshot } from "../gateway/snapshot.ts";
import { exitCodes, printLine, type ExitCode, type Io } from "./io.ts";
import { gatewayOptions, quietPorts } from "./setup.ts";

export interface PolicyOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Asks the same predicate as list and call, for every case of a table; nothing is sent. */
export async function testPolicy(file: string, options: PolicyOptions, io: Io): Promise<ExitCode> {
  const snapshot = await inspect(gatewayOptions(io, options.config, quietPorts));
  const cases = await readPolicyCases(file);
  const results = cases.map((one) => {
    const got = decide(snapshot, one);
    return { name: one.name, line: one.line, expect: one.expect, got, ok: got === one.expect };
  });
  const failed = results.filter(({ ok }) => !ok);
  if (options.json) printLine(io.stdout, JSON.stringify(results, undefined, 2));
  else
    for (const { name, line, expect, got } of failed)
      printLine(io.stdout, `${file}:${line} ${name}: expected ${expect}, got ${got}`);
  printLine(io.stderr, `${results.length - failed.length} of ${results.length} cases hold`);
  return failed.length === 0 ? exitCodes.ok : exitCodes.refused;
}

function decide({ catalog, permit, config }: Snapshot, { caller, tool, args }: PolicyCase): string {
  const found = catalog.tools.get(tool);
  if (found === undefined) return "unknown_tool";
  const baseline = config.auth.mode === "oauth" ? config.auth.scopes : [];
  const principal: Principal = {
    ...caller,
    scopes: new Set([...baseline, ...caller.scopes]),
    expiresAt: Number.POSITIVE_INFINITY,
    tokenHash: "",
    token: undefined,
  };
  return permit(found, principal, args).kind;
}
