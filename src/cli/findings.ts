import { readFileSync } from "node:fs";
import { isAbsolute, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { Issue, Position } from "../base/issue.ts";
import { frameIssues } from "../config/frame.ts";

export const findingFormats = ["pretty", "json", "github", "sarif"] as const;

export type FindingFormat = (typeof findingFormats)[number];

/** A note asks for nothing. */
export interface Finding extends Omit<Issue, "severity"> {
  readonly severity: Issue["severity"] | "note";
}

/**
 * Findings for people, programs, GitHub's annotations, or any reader of SARIF 2.1.0. People get
 * no notes.
 */
export function formatFindings(issues: readonly Finding[], format: FindingFormat): string {
  switch (format) {
    case "pretty":
      return frameIssues(issues.flatMap(forPeople), readText);
    case "json":
      return JSON.stringify(issues.map(describe), undefined, 2);
    case "github":
      return issues.map(annotate).join("\n");
    case "sarif":
      return JSON.stringify(toSarif(issues), undefined, 2);
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function forPeople(finding: Finding): Issue[] {
  const { severity } = finding;
  return severity === "note" ? [] : [{ ...shorten(finding), severity }];
}

/** Paths as seen from here, which is what an editor's terminal can open. */
function shorten(issue: Finding): Finding {
  const { position } = issue;
  if (position === undefined) return issue;
  return { ...issue, position: { ...position, file: nearPath(position.file) } };
}

/** As seen from here; a URL stays one. */
export function nearPath(file: string): string {
  if (/^https?:/.test(file)) return file;
  const near = relative(process.cwd(), file);
  return near.startsWith("..") || near === "" ? file : near;
}

function describe(issue: Finding): object {
  const { severity, code, message, position, help } = shorten(issue);
  return { severity, code, message, ...position, ...(help === undefined ? {} : { help }) };
}

/** `::error file=…,line=…::message`, with the escapes of GitHub's workflow commands. */
function annotate(issue: Finding): string {
  const { severity, code, position } = shorten(issue);
  const place = position
    ? [`file=${escapeProperty(position.file)}`, `line=${position.line}`, `col=${position.column}`]
    : [];
  const properties = [...place, `title=${code}`].join(",");
  return `::${severity === "note" ? "notice" : severity} ${properties}::${escapeData(textOf(issue))}`;
}

function textOf({ message, help }: Finding): string {
  return help === undefined ? message : `${message} (${help})`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

function toSarif(issues: readonly Finding[]): object {
  const rules = [...new Set(issues.map(({ code }) => code))];
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "tollgate", rules: rules.map((id) => ({ id })) } },
        columnKind: "utf16CodeUnits",
        results: issues.map((issue) => ({
          ruleId: issue.code,
          ruleIndex: rules.indexOf(issue.code),
          level: issue.severity,
          message: { text: textOf(issue) },
          locations: issue.position ? [{ physicalLocation: locate(issue.position) }] : [],
        })),
      },
    ],
  };
}

function locate({ file, line, column }: Position): object {
  const near = nearPath(file);
  const uri = isAbsolute(near)
    ? pathToFileURL(near).href
    : near.split(sep).map(encodeURIComponent).join("/");
  return { artifactLocation: { uri }, region: { startLine: line, startColumn: column } };
}
