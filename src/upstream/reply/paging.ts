import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import type { Place } from "../../tools/tool.ts";
import type { Values } from "../../tools/values.ts";
import { nextLink, queryOf, type Pair } from "./link.ts";
import { isAddress, isSayable, pageHints, plain } from "./page-hint.ts";
import { spell } from "../request/style.ts";
import type { ResponseHeaders } from "../request/message.ts";

/** Values that lead to the next page, by index of their place; empty: no argument leads there. */
export type Next = ReadonlyMap<number, JsonValue>;

/** The head and the JSON of a success. */
export interface Page {
  readonly headers: ResponseHeaders;
  /** undefined: no JSON. */
  readonly parse: () => JsonValue | undefined;
}

/** @returns undefined when the answer speaks of no further page. */
export type FindNext = (page: Page, values: Values) => Next | undefined;

/** A query argument of the model. */
interface Slot {
  readonly index: number;
  readonly name: string;
  /** `page[number]` and `pageNumber` are both `pagenumber`. */
  readonly plain: string;
  readonly type: JsonValue | undefined;
  /** Members travel as `name[key]`. */
  readonly isDeep: boolean;
  /** What the API takes when nothing is sent. */
  readonly default: JsonValue | undefined;
}

const pageNames = setOf("page pagenumber pageno pagenum pageindex currentpage p");
const offsetNames = setOf("offset skip start startat startindex pageoffset from");
const lastItemNames = setOf("startingafter startafter");
const cursorNames = setOf(
  "cursor pagecursor nextcursor startcursor after pageafter startingafter startafter token pagetoken " +
    "nexttoken nextpagetoken continuationtoken continuation continue marker nextmarker skiptoken " +
    "scrollid startkey exclusivestartkey nextkey",
);

/**
 * Finds how an answer leads to its next page, in the terms of the tool: `Link: rel=next` (RFC 8288),
 * else the members of the body that APIs use for it.
 *
 * @returns undefined when the tool has no query argument that could change.
 */
export function compilePaging(places: readonly Place[]): FindNext | undefined {
  const slots = places.flatMap(slotOf);
  if (slots.length === 0) return undefined;
  const findInBody = compileBodySearch(slots);
  return (page, values) => {
    const link = nextLink(page.headers.get("link"));
    return link === undefined
      ? findInBody?.(page.parse(), values)
      : changesOf(slots, queryOf(link), values);
  };
}

/** Whether only the body of an answer may say how to go on. */
export function pagesInBody(places: readonly Place[]): boolean {
  return compileBodySearch(places.flatMap(slotOf)) !== undefined;
}

function slotOf({ source, target, default: given }: Place, index: number): Slot | [] {
  if (source.kind !== "model" || target.kind !== "parameter") return [];
  const { in: where, name, encoding, type, default: own } = target.parameter;
  if (where !== "query" || encoding.kind !== "style") return [];
  return {
    index,
    name,
    plain: plain(name),
    type,
    isDeep: encoding.style === "deepObject",
    default: given ?? own,
  };
}

/** Without an argument for it, a member called `next` means something else. */
function compileBodySearch(
  slots: readonly Slot[],
): ((value: JsonValue | undefined, values: Values) => Next | undefined) | undefined {
  const find = (names: ReadonlySet<string>): Slot | undefined =>
    slots.find((slot) => names.has(slot.plain));
  const [pageSlot, offsetSlot] = [find(pageNames), find(offsetNames)];
  const [cursorSlot, lastItemSlot] = [find(cursorNames), find(lastItemNames)];
  const deep = slots.some(({ isDeep, plain: name }) => isDeep && name === "page");
  if (!(pageSlot ?? offsetSlot ?? cursorSlot) && !deep) return undefined;

  const slotFor = (key: string, value: string | number): Slot | undefined => {
    const meant = key.replace(/^next/, "");
    const named = slots.find((slot) => slot.plain === meant || slot.plain === key);
    if (named !== undefined && meant !== "") return named;
    if (meant === "offset" || meant === "start") return offsetSlot;
    const numeric = /^\d+$/.test(String(value));
    if (/^(?:page|pagenumber)?$/.test(meant) && numeric && (pageSlot ?? offsetSlot))
      return pageSlot ?? offsetSlot;
    return cursorSlot ?? (numeric ? pageSlot : undefined);
  };
  const afterLast = (value: JsonValue, values: Values): Next => {
    const items = itemsOf(value) ?? [];
    const page = pageSlot && numberOf(pageSlot, values);
    if (pageSlot !== undefined && page !== undefined) return new Map([[pageSlot.index, page + 1]]);
    const last = items.at(-1);
    const id = isJsonObject(last) ? last["id"] : undefined;
    if (lastItemSlot !== undefined && isSayable(id)) return new Map([[lastItemSlot.index, id]]);
    if (offsetSlot === undefined || items.length === 0) return new Map();
    return new Map([[offsetSlot.index, (numberOf(offsetSlot, values) ?? 0) + items.length]]);
  };

  return (value, values) => {
    const hints = isJsonObject(value) ? pageHints(value) : undefined;
    if (value === undefined || hints === undefined || hints.more === false) return undefined;
    for (const { key, value: next } of hints.next) {
      if (isAddress(next)) return changesOf(slots, queryOf(next), values);
      const slot = slotFor(key, next);
      if (slot !== undefined) return new Map([[slot.index, typed(slot, String(next))]]);
    }
    return hints.more === true ? afterLast(value, values) : undefined;
  };
}

/** What in the query of the next page differs from what was sent. */
function changesOf(slots: readonly Slot[], pairs: readonly Pair[], values: Values): Next {
  const changes = new Map<number, JsonValue>();
  for (const slot of slots) {
    const sent = values[slot.index] ?? slot.default;
    if (slot.isDeep) {
      const members = membersOf(slot.name, pairs);
      const known = isJsonObject(sent) ? sent : {};
      const differs = Object.entries(members).some(
        ([key, text]) => spell(known[key] ?? "") !== text,
      );
      if (differs) changes.set(slot.index, { ...known, ...members });
      continue;
    }
    const [text, second] = pairs.filter(({ name }) => name === slot.name);
    // A list does not change from page to page.
    if (text === undefined || second !== undefined || typeof sent === "object") continue;
    if (sent === undefined || spell(sent) !== text.value)
      changes.set(slot.index, typed(slot, text.value));
  }
  return changes;
}

function membersOf(name: string, pairs: readonly Pair[]): Readonly<Record<string, JsonValue>> {
  const found = pairs.flatMap((pair): [string, JsonValue][] => {
    const inner = pair.name.startsWith(`${name}[`) ? pair.name.slice(name.length) : "";
    const [, key] = /^\[([^\][]+)\]$/.exec(inner) ?? [];
    return key === undefined ? [] : [[key, numeral(pair.value)]];
  });
  return Object.fromEntries(found);
}

function typed({ type }: Slot, text: string): JsonValue {
  const types = new Set([type].flat());
  if (types.has("string")) return text;
  if (types.has("boolean") && /^(?:true|false)$/.test(text)) return text === "true";
  return numeral(text);
}

function numeral(text: string): JsonValue {
  return /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

function numberOf(slot: Slot, values: Values): number | undefined {
  const value = values[slot.index] ?? slot.default;
  const number = typeof value === "string" ? numeral(value) : value;
  return typeof number === "number" ? number : undefined;
}

/** The rows of a page: the answer itself, or its only list. */
export function itemsOf(value: JsonValue): readonly JsonValue[] | undefined {
  if (Array.isArray(value)) return value as readonly JsonValue[];
  const key = isJsonObject(value) ? listKeyOf(value) : undefined;
  return key === undefined ? undefined : ((value as JsonObject)[key] as readonly JsonValue[]);
}

/** The only member that is a list, else the one with the usual name. */
export function listKeyOf(value: JsonObject): string | undefined {
  const lists = Object.keys(value).filter((key) => Array.isArray(value[key]));
  if (lists.length <= 1) return lists[0];
  return lists.find((key) => /^(?:data|items|results|value|values|records|entries)$/.test(key));
}

function setOf(names: string): ReadonlySet<string> {
  return new Set(names.split(" "));
}
