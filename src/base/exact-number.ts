import { randomUUID } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** So many characters of a number may be more than a double holds; fewer never are. */
const wide = /\d[\d.]{15}/;
/** A text without its end goes to the end of all: looking on from each quote in it would take for ever. */
const candidates = /"[^"\\]*(?:\\[^][^"\\]*)*\\?"?|-?\d[\d.eE+-]{15,}/g;
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
  return restoreNumbers(JSON.stringify(made));
}

/** The same for text that something else has printed. */
export function restoreNumbers(json: string): string {
  if (!json.includes(mark)) return json;
  const unmarked = (token: string, digits: string): string =>
    number.test(digits) ? digits : token;
  return json.replace(marked, unmarked).replaceAll(mark, "");
}

/** The digits of a carried number, as they were written; undefined for any other text. */
export function digitsOf(text: string): string | undefined {
  return text.startsWith(mark) ? text.slice(mark.length) : undefined;
}

const exactForm = Symbol("exact form");

type Linked = JsonObject & { readonly [exactForm]?: JsonObject };

/**
 * Arguments whose numbers are JavaScript's, for everything that checks or compares them. What is
 * sent and recorded is their exact form.
 *
 * @param exact The same arguments with carried numbers.
 */
export function linkExact(args: JsonObject, exact: JsonObject): void {
  // Not enumerable: whoever copies or lists the members does not see it.
  Object.defineProperty(args, exactForm, { value: exact });
}

/** With every number as it was written; the arguments themselves where none is carried. */
export function exactFormOf(args: JsonObject): JsonObject {
  return (args as Linked)[exactForm] ?? args;
}

/** The way back from the exact form, linked to it; the same object where nothing is carried. */
export function readCarried(exact: JsonObject): JsonObject {
  const args = toNumbers(exact) as JsonObject;
  if (args !== exact) linkExact(args, exact);
  return args;
}

function toNumbers(value: JsonValue): JsonValue {
  if (typeof value === "string") {
    const digits = digitsOf(value);
    return digits === undefined ? value : Number(digits);
  }
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).map(toNumbers);
    return items.every((item, i) => item === value[i]) ? value : items;
  }
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(([name, inner]) => [name, toNumbers(inner)] as const);
  return members.every(([name, inner]) => inner === value[name])
    ? value
    : Object.fromEntries(members);
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
