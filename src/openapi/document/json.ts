import type { JsonValue } from "../../base/json.ts";
import type { Pointer } from "./node.ts";
import { createLineIndex, documentError, maxDepth, type Parsed } from "./parsed.ts";

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * Undefined when the text is not JSON. Positions are looked for only when somebody asks: a lookup
 * scans the containers on its way and keeps what it learned about their members.
 *
 * @throws ConfigError `too_deep`, before the text is parsed.
 */
export function parseJson(text: string, file: string): Parsed | undefined {
  const placeOf = createLineIndex(text);
  const deep = findDepth(text);
  if (deep !== undefined) {
    const message = `the document is nested deeper than ${maxDepth} levels`;
    throw documentError("too_deep", message, { file, ...placeOf(deep) });
  }
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  const known = new Map<number, ReadonlyMap<string, Member>>();
  return {
    value,
    locate(at: Pointer) {
      const root = skipSpace(text, 0);
      let member: Member = { key: root, value: root };
      for (const token of at) {
        let members = known.get(member.value);
        if (members === undefined) known.set(member.value, (members = scan(text, member.value)));
        const next = members.get(token);
        if (next === undefined) break;
        member = next;
      }
      return placeOf(member.key);
    },
  };
}

/** Offsets of a member: of its key (an item has none: its value) and of its value. */
interface Member {
  readonly key: number;
  readonly value: number;
}

/** The members of the container that starts at `start`; the text is proven JSON. */
function scan(text: string, start: number): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>();
  const isObject = text.charCodeAt(start) === openBrace;
  if (!isObject && text.charCodeAt(start) !== openBracket) return members;
  let at = skipSpace(text, start + 1);
  for (let index = 0; at < text.length && !closes(text.charCodeAt(at)); index++) {
    const key = at;
    let name = String(index);
    if (isObject) {
      const end = skipString(text, at);
      name = JSON.parse(text.slice(at, end)) as string;
      at = skipSpace(text, skipSpace(text, end) + 1);
    }
    members.set(name, { key, value: at });
    at = skipSpace(text, skipValue(text, at));
    if (text.charCodeAt(at) === comma) at = skipSpace(text, at + 1);
  }
  return members;
}

function closes(code: number): boolean {
  return code === closeBrace || code === closeBracket;
}

function skipSpace(text: string, at: number): number {
  let next = at;
  while (next < text.length && text.charCodeAt(next) <= 0x20) next++;
  return next;
}

/** @returns The offset after the closing quote. */
function skipString(text: string, at: number): number {
  let next = at + 1;
  while (next < text.length && text.charCodeAt(next) !== quote)
    next += text.charCodeAt(next) === backslash ? 2 : 1;
  return next + 1;
}

/** @returns The offset of what follows the value: a comma, a closing bracket or space. */
function skipValue(text: string, at: number): number {
  let depth = 0;
  let next = at;
  while (next < text.length) {
    const code = text.charCodeAt(next);
    if (code === quote) {
      next = skipString(text, next);
      continue;
    }
    if (depth === 0 && (code === comma || closes(code))) return next;
    if (code === openBrace || code === openBracket) depth++;
    if (closes(code)) depth--;
    next++;
  }
  return next;
}

/** Where the nesting exceeds the bound, if anywhere. Also right for text that is not quite JSON. */
function findDepth(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = skipString(text, at) - 1;
    else if (code === openBrace || code === openBracket) {
      if (++depth > maxDepth) return at;
    } else if (closes(code)) depth--;
  }
  return undefined;
}
