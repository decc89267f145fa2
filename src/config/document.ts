import {
  Composer,
  type Document,
  Lexer,
  LineCounter,
  Parser,
  type CST,
  type YAMLError,
} from "yaml";
import type { Position } from "../base/issue.ts";
import { escapeText } from "../base/text.ts";
import type { Problems } from "./problems.ts";

/** Deeper than any real file; keeps the recursive composer far from the end of the stack. */
const maxDepth = 64;

export interface YamlDocument {
  readonly root: Document.Parsed;
  readonly positionAt: (offset: number) => Position;
}

/**
 * YAML 1.2 text to a syntax tree. Duplicate keys are found by the walk over the tree, because the
 * library compares every key with every other.
 *
 * @returns undefined when the text is not YAML; `problems` then says why.
 */
export function parseDocument(
  text: string,
  file: string,
  problems: Problems,
): YamlDocument | undefined {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const tokens = tokenize(text, lines);
  if (typeof tokens === "number") {
    const message = `nested deeper than ${maxDepth} levels`;
    problems.error({ at: positionAt(tokens), code: "too_deep", message });
    return undefined;
  }
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    // Otherwise !!binary and !!timestamp would turn into objects.
    resolveKnownTags: false,
    stringKeys: true,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
    lineCounter: lines,
  });
  const [root, second] = composer.compose(tokens, true, text.length);
  if (root === undefined) return undefined;
  if (second !== undefined) {
    const message = "gateway.yaml must hold one YAML document, and a second one starts here";
    problems.error({ at: positionAt(second.range[0]), code: "invalid_yaml", message });
  }
  for (const error of root.errors) report(error, positionAt, problems);
  for (const warning of root.warnings) report(warning, positionAt, problems);
  const faults = root.errors.length + root.warnings.length;
  return second === undefined && faults === 0 ? { root, positionAt } : undefined;
}

/** The tokens of the text, or the offset at which it is nested too deeply. */
function tokenize(text: string, lines: LineCounter): CST.Token[] | number {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    // Every level of nesting is one token on the stack; block scalars and pairs add a few.
    if (parser.stack.length > maxDepth + 4) return parser.offset;
  }
  tokens.push(...parser.end());
  return tokens;
}

function report(error: YAMLError, positionAt: (at: number) => Position, problems: Problems): void {
  const [at] = error.pos;
  if (error.code === "TAG_RESOLVE_FAILED")
    problems.error({
      at: positionAt(at),
      code: "unknown_tag",
      message: `YAML tags are limited to those of the core schema: ${escapeText(error.message)}`,
    });
  else
    problems.error({
      at: positionAt(at),
      code: "invalid_yaml",
      message: escapeText(error.message),
      help: error.code === "TAB_AS_INDENT" ? "indent with spaces" : undefined,
    });
}
