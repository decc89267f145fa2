import { closingQuote, type JsonText } from "./json-text.ts";
import { cutText } from "./plain-text.ts";

export interface CutLimits {
  readonly maxChars: number;
  /** Items an array at the root had before it came here; undefined: it is whole. */
  readonly total: number | undefined;
  /** What the model can do to see the rest. */
  readonly hint: string;
}

/** A value in a proven, compact JSON text: `start` inclusive, `end` exclusive. */
interface Span {
  readonly start: number;
  readonly end: number;
}

interface Member extends Span {
  readonly valueStart: number;
}

/** The widest array that lost items, for the notice. */
interface Loss {
  readonly width: number;
  readonly returned: number;
  readonly total: number;
}

interface Cut {
  readonly json: string;
  /** Of the array at the root. */
  readonly total: number | undefined;
  loss: Loss | undefined;
}

/** Room for the notice itself, so that the whole stays within `maxChars`. */
const noticeChars = 256;
/** Below this share per member an object keeps its first members instead of a bit of each. */
const minShare = 48;
/** A value nested deeper is left out rather than cut: the walk down is recursive. */
const maxDepth = 16;

/**
 * A shorter JSON text with the same shape: arrays keep their first items, long strings their
 * beginning, and only where the text is too long. It is always an object with `_truncated`; an
 * array or a scalar at the root becomes its `items` or `value`.
 */
export function cutJson(source: Pick<JsonText, "text" | "kind">, limits: CutLimits): string {
  const cut: Cut = { json: source.text, total: limits.total, loss: undefined };
  const room = limits.maxChars - noticeChars - limits.hint.length;
  const whole = { start: 0, end: source.text.length };
  const kept = source.kind === "array" ? cutArray(cut, whole, room, 0) : fit(cut, whole, room, 0);
  const notice = `"_truncated":${describeLoss(cut, kept, limits.hint)}`;
  if (kept === undefined) return `{${notice}}`;
  if (source.kind === "array") return `{"items":${kept},${notice}}`;
  if (source.kind === "scalar") return `{"value":${kept},${notice}}`;
  return kept === "{}" ? `{${notice}}` : `${kept.slice(0, -1)},${notice}}`;
}

function describeLoss(cut: Cut, kept: string | undefined, hint: string): string {
  const counts =
    cut.loss === undefined
      ? { returned: kept?.length ?? 0, total: cut.json.length, unit: "characters" }
      : { returned: cut.loss.returned, total: cut.loss.total };
  return JSON.stringify({ ...counts, hint });
}

/** @returns undefined when nothing meaningful fits into `room`. */
function fit(cut: Cut, span: Span, room: number, depth: number): string | undefined {
  if (span.end - span.start <= room) return cut.json.slice(span.start, span.end);
  if (depth > maxDepth || room < minShare) return undefined;
  const first = cut.json[span.start];
  if (first === "[") return cutArray(cut, span, room, depth);
  if (first === "{") return cutObject(cut, span, room, depth);
  if (first === '"') return cutString(cut.json.slice(span.start, span.end), room);
  return undefined;
}

function cutArray(cut: Cut, span: Span, room: number, depth: number): string {
  let kept = span.start + 1;
  let returned = 0;
  let total = 0;
  for (const item of itemsOf(cut.json, span)) {
    if (returned === total && item.end - span.start < room) {
      kept = item.end;
      returned++;
    }
    total++;
  }
  if (depth === 0) total = cut.total ?? total;
  const width = span.end - span.start;
  let text = cut.json.slice(span.start + 1, kept);
  if (returned === 0 && span.end - span.start > 2) {
    // One item alone is too long: a part of it says more than an empty list.
    const first = { start: span.start + 1, end: valueEnd(cut.json, span.start + 1) };
    text = fit(cut, first, room - 2, depth + 1) ?? "";
    if (text !== "") returned = 1;
  }
  if (returned < total && width > (cut.loss?.width ?? 0)) cut.loss = { width, returned, total };
  return `[${text}]`;
}

function cutObject(cut: Cut, span: Span, room: number, depth: number): string {
  const members = membersOf(cut.json, span);
  const share = shareOf(members, room - 2);
  const parts: string[] = [];
  let left = room - 2;
  for (const member of members) {
    const allowed = Math.min(left - 1, share < minShare ? left - 1 : share);
    const key = cut.json.slice(member.start, member.valueStart);
    const value = { start: member.valueStart, end: member.end };
    const kept = fit(cut, value, allowed - key.length, depth + 1);
    if (kept !== undefined && key.length < allowed) {
      parts.push(key + kept);
      left -= key.length + kept.length + 1;
    }
  }
  return `{${parts.join(",")}}`;
}

/** The longest text a member may have so that all fit: small ones whole, long ones alike. */
function shareOf(members: readonly Member[], room: number): number {
  const sizes = members.map((member) => member.end - member.start + 1).toSorted((a, b) => a - b);
  let left = room;
  for (const [i, size] of sizes.entries()) {
    const share = Math.floor(left / (sizes.length - i));
    if (size > share) return share - 1;
    left -= size;
  }
  return room;
}

function cutString(token: string, room: number): string {
  const value = String(JSON.parse(token));
  // Escapes make the printed form longer than the value, by an amount only printing shows.
  for (let keep = room - 3; keep > 0; keep = Math.floor(keep / 2)) {
    const printed = JSON.stringify(`${cutText(value, keep)}…`);
    if (printed.length <= room) return printed;
  }
  return '"…"';
}

function* itemsOf(json: string, span: Span): Generator<Span> {
  let start = span.start + 1;
  while (start < span.end - 1) {
    const end = valueEnd(json, start);
    yield { start, end };
    start = end + 1;
  }
}

function membersOf(json: string, span: Span): readonly Member[] {
  const members: Member[] = [];
  let start = span.start + 1;
  while (start < span.end - 1) {
    const valueStart = closingQuote(json, start) + 2;
    const end = valueEnd(json, valueStart);
    members.push({ start, valueStart, end });
    start = end + 1;
  }
  return members;
}

const [quote, comma, openArray, closeArray, openObject, closeObject] = [
  0x22, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
];

/** Index behind the value at `start`: an answer of megabytes is walked by this, so it counts. */
function valueEnd(json: string, start: number): number {
  const first = json.charCodeAt(start);
  if (first === quote) return closingQuote(json, start) + 1;
  if (first !== openArray && first !== openObject) return scalarEnd(json, start);
  let open = 0;
  for (let i = start; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === quote) i = closingQuote(json, i);
    else if (code === openObject || code === openArray) open++;
    else if ((code === closeObject || code === closeArray) && --open === 0) return i + 1;
  }
  return json.length;
}

function scalarEnd(json: string, start: number): number {
  let at = start;
  for (; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === comma || code === closeArray || code === closeObject) break;
  }
  return at;
}
