import { randomUUID } from "node:crypto";
import type { JsonValue } from "../base/json.ts";

/** So many characters of a number may be more than a double holds; fewer never are. */
const wide = /\d[\d.]{15}/;
const candidates = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]{15,}/g;
/** RFC 8259 §6. */
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const colon = /\s*:/y;
/** Stands before a carried number; no API can know it. */
const mark = `\ue000${randomUUID()}:`;
const marked = new RegExp(`"${mark}([-+.\\deE]+)"`, "g");

/**
 * Parses without losing digits: a number that JavaScript cannot hold (an int64 beyond 2^53) is
 * carried as a marked text, for `printExactly`.
 *
 * @throws SyntaxError when the text is not JSON.
 */
export function parseExactly(json: string): JsonValue {
  if (!wide.test(json)) return parse(json);
  const text = json.replace(candidates, (token, at: number) => {
    if (token.startsWith('"') || isExact(token)) return token;
    // A name without quotes must not become one with.
    colon.lastIndex = at + token.length;
    return colon.test(json) ? token : `"${mark}${token}"`;
  });
  return parse(text);
}

/**
 * Prints what was made of a parsed value, carried numbers as they were written. One inside a longer
 * text stays text.
 *
 * @throws RangeError when it is nested too deep to print.
 */
export function printExactly(made: JsonValue): string {
  const json = JSON.stringify(made);
  if (!json.includes(mark)) return json;
  const unmarked = (token: string, digits: string): string =>
    number.test(digits) ? digits : token;
  return json.replace(marked, unmarked).replaceAll(mark, "");
}

/** Whether a text of a parsed value is, or holds, a carried number. */
export function isCarried(text: string): boolean {
  return text.includes(mark);
}

function parse(json: string): JsonValue {
  return JSON.parse(json) as JsonValue;
}

function isExact(token: string): boolean {
  return String(Number(token)) === token || !number.test(token);
}
