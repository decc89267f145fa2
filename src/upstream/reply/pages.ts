import { CallError } from "../../base/errors.ts";
import { isJsonObject, type JsonValue } from "../../base/json.ts";
import type { Values } from "../../tools/values.ts";
import { decodeJson } from "./charset.ts";
import { typeOf } from "./entity.ts";
import { parseExactly, printExactly } from "../../base/exact-number.ts";
import type { WireResponse } from "../request/message.ts";
import { itemsOf, listKeyOf, type FindNext, type Next } from "./paging.ts";

/** One answer in the place of several, and what leads on from the last of them. */
interface Joined {
  readonly response: WireResponse;
  readonly next: Next | undefined;
}

/** Asks for the page that other values lead to. */
export type Again = (values: Values) => Promise<WireResponse>;

/**
 * Follows an answer page by page and joins their lists. What fails on the way ends it: the pages
 * so far are an answer, and the trailer says how to go on.
 *
 * @returns undefined when the answer has no list or no further page.
 * @throws CallError `cancelled`.
 */
export type JoinPages = (
  first: WireResponse,
  values: Values,
  again: Again,
) => Promise<Joined | undefined>;

interface Read {
  readonly value: JsonValue;
  readonly items: readonly JsonValue[];
  readonly next: Next | undefined;
}

/** @param limits `maxBytes` is for the bodies of all pages together. */
export function compilePages(
  findNext: FindNext,
  limits: { readonly maxPages: number; readonly maxBytes: number },
): JoinPages {
  return async (first, values, again) => {
    let page = read(first, values, findNext);
    if (page === undefined || page.next === undefined || page.next.size === 0) return undefined;
    const items = [...page.items];
    let [last, asked, bytes] = [first, values, first.body.length];
    for (let count = 1; count < limits.maxPages; count++) {
      if (page.next === undefined || page.next.size === 0) break;
      const { next } = page;
      asked = asked.map((value, index) => (next.has(index) ? next.get(index) : value));
      const response = await unlessFailed(again(asked));
      const found = response && read(response, asked, findNext);
      bytes += response?.body.length ?? 0;
      if (response === undefined || found === undefined || bytes > limits.maxBytes) break;
      items.push(...found.items);
      [last, page] = [response, found];
    }
    const { status, headers } = last;
    const get = (name: string): string | undefined =>
      name === "content-type" ? "application/json" : headers.get(name);
    const body = Buffer.from(printExactly(join(page.value, items)));
    return { response: { status, headers: { get }, body }, next: page.next };
  };
}

function read(response: WireResponse, values: Values, findNext: FindNext): Read | undefined {
  const { status, body, headers } = response;
  const { family, parameters } = typeOf(response);
  if (status < 200 || status > 299 || family !== "json") return undefined;
  try {
    const value = parseExactly(decodeJson(body, parameters.get("charset")));
    const items = itemsOf(value);
    return items && { value, items, next: findNext({ headers, parse: () => value }, values) };
  } catch {
    return undefined;
  }
}

async function unlessFailed(response: Promise<WireResponse>): Promise<WireResponse | undefined> {
  try {
    return await response;
  } catch (error) {
    if (error instanceof CallError && error.code !== "cancelled") return undefined;
    throw error;
  }
}

/** The last page with the items of all: what it says about itself is true of the whole. */
function join(last: JsonValue, items: readonly JsonValue[]): JsonValue {
  const key = isJsonObject(last) ? listKeyOf(last) : undefined;
  return key === undefined ? items : { ...(last as object), [key]: items };
}
