import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";
import { documentSource, inspect } from "../gateway.ts";
import { lintDocument } from "../openapi/lint.ts";
import type { DocumentReport, Snapshot } from "../gateway/snapshot.ts";
import { formatFindings, nearPath, type Finding, type FindingFormat } from "./findings.ts";
import { exitCodes, printLine, type ExitCode, type Io } from "./io.ts";
import { gatewayOptions, quietPorts } from "./setup.ts";

/** Everything `serve` does before it listens, plus what only looking closer finds. */
export async function validate(
  options: { readonly config: string; readonly format: FindingFormat },
  io: Io,
): Promise<ExitCode> {
  let snapshot: Snapshot | undefined;
  let issues: readonly Issue[];
  try {
    snapshot = await inspect(gatewayOptions(io, options.config, quietPorts));
    issues = [...snapshot.warnings, ...compileEverything(snapshot), ...(await lint(snapshot))];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues = error.issues;
  }
  const errors = issues.filter(({ severity }) => severity === "error").length;
  const stream = options.format === "pretty" ? io.stderr : io.stdout;
  if (issues.length > 0 || options.format !== "pretty") {
    const notes = (snapshot?.documents ?? []).flatMap(({ unwanted }) => unwanted.map(asNote));
    printLine(stream, formatFindings([...issues, ...notes], options.format).trimEnd());
  }
  for (const document of snapshot?.documents ?? []) printLine(io.stderr, describe(document));
  const warnings = issues.length - errors;
  const verdict =
    errors > 0
      ? counted(errors, "error")
      : `ok: ${counted(snapshot?.catalog.tools.size ?? 0, "tool")}`;
  printLine(io.stderr, `${options.config}: ${verdict}, ${counted(warnings, "warning")}`);
  return errors > 0 ? exitCodes.badConfiguration : exitCodes.ok;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function asNote(issue: Issue): Finding {
  return { ...issue, severity: "note" };
}

/** `courses: specs/courses.yaml (OpenAPI 3.1.0): 12 of 14 operations converted, 2 skipped, 8 tools` */
function describe(report: DocumentReport): string {
  const { api, source, version, converted, skipped, unwanted, ignored, tools } = report;
  const all = converted + skipped;
  const quiet = unwanted.length > 0 ? ` (${unwanted.length} that no rule exposes)` : "";
  const others = Object.entries(ignored)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `, ${count} ${name} ignored`);
  return `${api}: ${nearPath(source)} (OpenAPI ${version}): ${converted} of ${all} operations converted, ${skipped} skipped${quiet}, ${counted(tools, "tool")}${others.join("")}`;
}

/** Validators compile when first used; here that must happen before anybody depends on it. */
function compileEverything(snapshot: Snapshot): Issue[] {
  return [...snapshot.catalog.tools.values()].flatMap((tool): Issue[] => {
    try {
      tool.validate({});
      return [];
    } catch {
      return [
        {
          severity: "error",
          code: "schema_not_compilable",
          message: `the input schema of ${tool.name} is no valid JSON Schema`,
          position: tool.operation.position,
          help: "correct the schema in the document, or leave the operation out",
        },
      ];
    }
  });
}

async function lint(snapshot: Snapshot): Promise<Issue[]> {
  const found = await Promise.all(
    snapshot.config.apis.map((api) => lintDocument(documentSource(api), api.url)),
  );
  return found.flat();
}
