import type { Issue } from "../base/issue.ts";
import { compareIssues, formatPosition, type Position } from "../base/issue.ts";
import { escapeText } from "../base/text.ts";

const maxWidth = 120;

/**
 * The findings as an operator reads them, sorted, each with up to three lines of its file:
 *
 *     gateway.yaml:14:5  error  unknown_key  unknown key "upstrem" in apis.orders
 *        12 |   orders:
 *        13 |     spec: specs/orders.yaml
 *        14 |     upstrem: https://orders.internal
 *           |     ^^^^^^^
 *           = help: did you mean "upstream"?
 *
 * A secret that somebody wrote into the file is shown as `***`.
 *
 * @param readText The text of a file by the name in its positions; undefined leaves the frame out.
 */
export function frameIssues(
  issues: readonly Issue[],
  readText: (file: string) => string | undefined,
): string {
  const files = new Map<string, readonly string[]>();
  const linesOf = (file: string): readonly string[] => {
    const known = files.get(file) ?? maskSecrets(file, readText(file) ?? "", issues);
    files.set(file, known);
    return known;
  };
  return issues
    .toSorted(compareIssues)
    .map((issue) => frameIssue(issue, issue.position ? linesOf(issue.position.file) : []))
    .join("\n\n");
}

function frameIssue(issue: Issue, lines: readonly string[]): string {
  const { severity, code, message, position, help } = issue;
  const place = position === undefined ? [] : [formatPosition(position)];
  const title = [...place, severity, code, escapeText(message, 1024)].join("  ");
  const gutter = " ".repeat(Math.max(5, String(position?.line ?? 0).length));
  const frame = position === undefined ? [] : quoteLines(position, lines, gutter);
  const advice = help === undefined ? [] : [`${gutter} = help: ${escapeText(help)}`];
  return [title, ...frame, ...advice].join("\n");
}

/** The line at fault under the two before it, and a caret under the word at fault. */
function quoteLines(position: Position, lines: readonly string[], gutter: string): string[] {
  const last = lines[position.line - 1];
  if (last === undefined) return [];
  const start = Math.min(position.column - 1, last.length);
  // A word far to the right is brought into view; all three lines move together.
  const left = start > maxWidth - 40 ? start - 40 : 0;
  const show = (text: string): string => escapeText(text.replaceAll("\t", " "), maxWidth);
  const first = Math.max(0, position.line - 3);
  const quoted = lines
    .slice(first, position.line)
    .map(
      (text, i) => `${String(first + i + 1).padStart(gutter.length)} | ${show(text.slice(left))}`,
    );
  const before = show(last.slice(left, start)).length;
  const word = show(wordAt(last, start)).length;
  const caret = "^".repeat(Math.max(1, Math.min(word, maxWidth - before)));
  return [...quoted.map((line) => line.trimEnd()), `${gutter} | ${" ".repeat(before)}${caret}`];
}

/** The key, quoted text or plain word that starts there. */
function wordAt(line: string, start: number): string {
  const rest = line.slice(start);
  return /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:,[\]{}]+(?::[^\s,[\]{}]+)*)/.exec(rest)?.[0] ?? "^";
}

/** Hides from `literal_secret` to the end of that value: its line, and all deeper lines below. */
function maskSecrets(file: string, text: string, issues: readonly Issue[]): readonly string[] {
  const lines = text.split(/\r\n|\n|\r/);
  for (const { code, position } of issues) {
    if (code !== "literal_secret" || position?.file !== file) continue;
    const at = position.line - 1;
    const line = lines[at];
    if (line === undefined) continue;
    lines[at] = `${line.slice(0, position.column - 1)}***`;
    const depth = indentOf(line);
    for (let i = at + 1; i < lines.length; i++) {
      const below = lines[i] ?? "";
      if (below.trim() !== "" && indentOf(below) <= depth) break;
      lines[i] = below.trim() === "" ? below : `${" ".repeat(indentOf(below))}***`;
    }
  }
  return lines;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
