import type { JsonValue } from "../../base/json.ts";
import type { Values } from "../../tools/values.ts";
import type { Next, Page } from "./paging.ts";
import { toLine } from "./plain-text.ts";
import type { ReplyShape } from "./reply-shape.ts";

/**
 * What is told after a success beside its body, line by line.
 *
 * @param next What leads on, where that is known already.
 */
export type Trailer = (
  page: Page,
  values: Values,
  next?: { readonly next: Next | undefined },
) => readonly string[];

const maxValue = 500;
const maxCursor = 2000;

/** @returns undefined when there is never anything to tell. */
export function compileTrailer(shape: ReplyShape): Trailer | undefined {
  const { findNext, argumentOf } = shape;
  const wanted = shape.headers.map((name) => ({ name, key: name.toLowerCase() }));
  if (wanted.length === 0 && findNext === undefined) return undefined;
  return (page, values, known) => {
    const lines = wanted.flatMap(({ name, key }) => {
      const value = page.headers.get(key);
      return value === undefined ? [] : [`${name}: ${toLine(value, maxValue)}`];
    });
    const next = known === undefined ? findNext?.(page, values) : known.next;
    return next === undefined ? lines : [...lines, describeNext(next, argumentOf)];
  };
}

function describeNext(next: Next, argumentOf: readonly string[]): string {
  const changes = [...next].map(([index, value]) => `${argumentOf[index] ?? ""}=${show(value)}`);
  const text = changes.join(" and ");
  // What cannot be copied exactly would lead elsewhere.
  if (changes.length === 0 || text.length > maxCursor || !/^[ -~]*$/.test(text))
    return "There are more results than this page holds.";
  return `More results: call again with ${text}`;
}

function show(value: JsonValue): string {
  const bare = typeof value === "string" && /^[\w.~:+/=@%-]+$/.test(value);
  return bare ? value : JSON.stringify(value);
}
