import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  Parser,
  type YAMLMap,
} from "yaml";

import { ConfigError } from "../../base/errors.ts";
import type { Issue } from "../../base/issue.ts";
import type { JsonObject, JsonValue } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import type { Pointer } from "./node.ts";
import { createLineIndex, documentError, maxDepth, type Parsed } from "./parsed.ts";

/** How often aliases may repeat one anchor, nested anchors multiplied. */
const maxAliasCount = 100;
const maxIssues = 20;
/**
 * Names, values, marks and spaces of one text. The parser keeps each of them, some 300 bytes apiece:
 * that, and not the length of a text, is what a document costs. GitHub's 10 MB have 1.7 million.
 */
const maxLexemes = 2_000_000;

/**
 * YAML 1.2 with the core schema: dates and `no` stay text, `<<` is an ordinary key, a tag outside
 * the schema is an error.
 *
 * @throws ConfigError `invalid_yaml`, `too_deep`, `yaml_too_large`, `duplicate_key`, `bad_alias` with
 *   their positions.
 */
export function parseYaml(text: string, file: string): Parsed {
  const placeOf = createLineIndex(text);
  const at = (offset: number) => ({ file, ...placeOf(offset) });
  const refuse: Refuse = (code, message, offset) => {
    throw documentError(code, message, at(offset));
  };
  const document = compose(text, refuse);
  // A tag that is not resolved is only a warning to the parser.
  const problems = [...document.errors, ...document.warnings].slice(0, maxIssues);
  if (problems.length > 0) {
    throw new ConfigError(
      problems.map(({ code, pos }): Issue => {
        const message = `not valid YAML: ${code.toLowerCase().replaceAll("_", " ")}`;
        return {
          severity: "error",
          code: "invalid_yaml",
          message,
          position: at(pos[0]),
          help: undefined,
        };
      }),
    );
  }
  const offsets = new Map<object, number>();
  const value = createReader(offsets, refuse)(document.contents, 0, 0);
  return { value, locate: (pointer) => placeOf(offsetOf(value, pointer, offsets)) };
}

type Refuse = (code: string, message: string, offset: number) => never;

const tooLarge =
  "the YAML has more than 2,000,000 names, values and marks, too many to read in bounded memory; convert the document to JSON, where up to 32 MiB are read";

/**
 * The composer is recursive: V8 does not survive a pattern that it compiles at the end of the
 * stack, so nesting is bounded while the tokens come in, before anything is composed.
 */
function compose(text: string, refuse: Refuse): Document {
  const parser = new Parser();
  const tokens = [];
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++lexemes > maxLexemes) refuse("yaml_too_large", tooLarge, parser.offset);
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > maxDepth + 2)
      refuse("too_deep", `the document is nested deeper than ${maxDepth} levels`, parser.offset);
  }
  for (const token of parser.end()) tokens.push(token);
  const composer = new Composer({
    schema: "core",
    resolveKnownTags: false,
    // Compares every key with every other; the reader below asks a set.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
  });
  const documents = composer.compose(tokens, true, text.length);
  const first = documents.next().value;
  if (first === undefined) return refuse("invalid_yaml", "the document is empty", 0);
  const second = documents.next().value;
  if (second !== undefined)
    refuse("invalid_yaml", "the file holds more than one YAML document", second.range[0]);
  return first;
}

/** An anchored value, read: aliases share it. */
interface Anchor {
  readonly value: JsonValue;
  /** Levels below the value. */
  readonly height: number;
  /** The highest count of one anchor among the aliases inside, at least 1. */
  readonly weight: number;
  uses: number;
}

type Read = (node: unknown, depth: number, offset: number) => JsonValue;

function createReader(offsets: Map<object, number>, refuse: Refuse): Read {
  const anchors = new Map<string, Anchor>();
  let deepest = 0;
  let weight = 1;

  const enter = (depth: number, offset: number): void => {
    if (depth > maxDepth)
      refuse("too_deep", `the document is nested deeper than ${maxDepth} levels`, offset);
    if (depth > deepest) deepest = depth;
  };

  const readAlias = (name: string, depth: number, offset: number): JsonValue => {
    // An anchor becomes known when its value is complete: an alias inside its own value is refused.
    const anchor = anchors.get(name);
    if (anchor === undefined)
      return refuse("bad_alias", "an alias has no anchor before it", offset);
    const count = ++anchor.uses * anchor.weight;
    if (count > maxAliasCount)
      refuse("bad_alias", `aliases repeat a value more than ${maxAliasCount} times`, offset);
    weight = Math.max(weight, count);
    enter(depth + anchor.height, offset);
    return anchor.value;
  };

  const readMap = (map: YAMLMap, depth: number, offset: number): JsonObject => {
    const value: Record<string, JsonValue> = {};
    offsets.set(value, offset);
    const seen = new Set<string>();
    for (const pair of map.items) {
      const at = startOf(pair.key, offset);
      const name = keyOf(isAlias(pair.key) ? read(pair.key, depth, at) : pair.key);
      if (name === undefined) return refuse("invalid_yaml", "a key is not a single value", at);
      if (seen.has(name))
        refuse("duplicate_key", `the key "${escapeText(name, 64)}" stands here twice`, at);
      seen.add(name);
      const inner = read(pair.value, depth + 1, at);
      // Assigning `__proto__` would set the prototype.
      if (name === "__proto__")
        Object.defineProperty(value, name, { value: inner, enumerable: true });
      else value[name] = inner;
    }
    return value;
  };

  const readPlain: Read = (node, depth, offset) => {
    if (isMap(node)) return readMap(node, depth, offset);
    if (isSeq(node)) {
      const value = node.items.map((item) => read(item, depth + 1, startOf(item, offset)));
      offsets.set(value, offset);
      return value;
    }
    return isScalar(node) ? (node.value as JsonValue) : null;
  };

  const read: Read = (node, depth, offset) => {
    enter(depth, offset);
    if (isAlias(node)) return readAlias(node.source, depth, startOf(node, offset));
    const name = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined;
    if (name === undefined) return readPlain(node, depth, offset);
    const outer = { deepest, weight };
    [deepest, weight] = [depth, 1];
    const value = readPlain(node, depth, offset);
    anchors.set(name, { value, height: deepest - depth, weight, uses: 0 });
    deepest = Math.max(deepest, outer.deepest);
    weight = Math.max(weight, outer.weight);
    return value;
  };
  return read;
}

function startOf(node: unknown, otherwise: number): number {
  return isNode(node) ? (node.range?.[0] ?? otherwise) : otherwise;
}

function keyOf(key: unknown): string | undefined {
  // As written: `200` and `1.10` are names here, not numbers.
  if (isScalar(key)) return key.source ?? JSON.stringify(key.value);
  return key === null ? "" : typeof key === "string" ? key : undefined;
}

/** Scalars have no place of their own: they are where the container is that holds them. */
function offsetOf(root: JsonValue, at: Pointer, offsets: ReadonlyMap<object, number>): number {
  let value: JsonValue | undefined = root;
  let offset = 0;
  for (let depth = 0; typeof value === "object" && value !== null; depth++) {
    offset = offsets.get(value) ?? offset;
    const token = at[depth];
    if (token === undefined || !Object.hasOwn(value, token)) break;
    value = (value as JsonObject)[token];
  }
  return offset;
}
