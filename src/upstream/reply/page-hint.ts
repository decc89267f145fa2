import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { isCarried } from "../../base/exact-number.ts";

/** Body members that hold the address or the cursor of the next page, in plain form. */
const nextKey =
  /^(?:odata)?(?:next(?:url|link|href|page(?:url|link|token|cursor|number)?|cursor|token|offset|start|marker|key|skiptoken|continuationtoken)?|continue|continuation|continuationtoken|endcursor|scrollid|lastevaluatedkey)$/;
const moreKey = /^(?:has(?:more|next|nextpage|moreitems|moreresults)|more)$/;
/** Members whose own members are looked at. */
const holderKey =
  /^(?:meta|metadata|pagination|paging|pager|page|pageinfo|responsemetadata|links?|cursors?)$/;
const maxHolders = 2;

/** What a body says about its next page. */
interface Hints {
  /** The member's name in plain form, and what it holds. */
  readonly next: { readonly key: string; readonly value: string | number }[];
  more: boolean | undefined;
}

/** Addresses before cursors: they say all that changes. */
export function pageHints(body: JsonObject): Hints {
  const hints: Hints = { next: [], more: undefined };
  collectHints(hints, body, maxHolders);
  hints.next.sort((a, b) => Number(isAddress(b.value)) - Number(isAddress(a.value)));
  return hints;
}

function collectHints(hints: Hints, holder: JsonObject, depth: number): void {
  for (const [name, value] of Object.entries(holder)) {
    const key = plain(name);
    if (moreKey.test(key) && typeof value === "boolean") hints.more ??= value;
    else if (nextKey.test(key)) addNext(hints, key, value);
    if (depth === 0 || !holderKey.test(key)) continue;
    if (isJsonObject(value)) collectHints(hints, value, depth - 1);
    else if (Array.isArray(value)) addLinks(hints, value);
  }
}

/** HAL writes `{href}` where others write the address itself. */
function addNext(hints: Hints, key: string, value: JsonValue): void {
  const next = isJsonObject(value) ? (value["href"] ?? value["url"]) : value;
  if (isSayable(next)) hints.next.push({ key, value: next });
}

/** `links: [{rel: next, href}]` */
function addLinks(hints: Hints, links: readonly JsonValue[]): void {
  for (const link of links.slice(0, 16)) {
    if (isJsonObject(link) && link["rel"] === "next") addNext(hints, "next", link);
  }
}

/** A cursor that can be written down as it came. */
export function isSayable(value: JsonValue | undefined): value is string | number {
  if (typeof value === "number") return Number.isSafeInteger(value);
  return typeof value === "string" && value !== "" && !isCarried(value);
}

export function isAddress(value: string | number): value is string {
  return typeof value === "string" && /^(?:https?:\/\/|\/|\?)[^#]*\?|^\?/i.test(value);
}

/** `page[number]`, `pageNumber` and `page_number` are all `pagenumber`. */
export function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]/g, "");
}
