import { beforeFirst, zerosOf } from "./byte-marks.ts";
import type { Outline } from "./json-scan.ts";
import { cutText } from "./plain-text.ts";
import type { Utf8 } from "./utf8.ts";

/** Proven, compact JSON. */
export interface CutSource {
  readonly utf8: Utf8;
  /** Without it, all of the text is read to find out where its values end. */
  readonly outline: Outline | undefined;
}

export interface CutLimits {
  /** UTF-16 units. */
  readonly maxChars: number;
  /** Items an array at the root had before it came here; undefined: it is whole. */
  readonly total: number | undefined;
  /** What the model can do to see the rest. */
  readonly hint: string;
}

/** A value: `start` inclusive, `end` exclusive. */
interface Span {
  readonly start: number;
  readonly end: number;
}

interface Member extends Span {
  readonly valueStart: number;
}

/** The widest array that lost items, for the notice. */
interface Loss {
  readonly span: Span;
  /** Counted when another one is to be compared with it. */
  width: number | undefined;
  readonly returned: number;
  readonly total: number;
}

interface Cut extends CutSource {
  /** The same bytes, to look at four of them together. */
  readonly words: DataView;
  /** Of the array at the root. */
  readonly total: number | undefined;
  /** What is kept, in its order. */
  readonly kept: Buffer[];
  loss: Loss | undefined;
}

/** Room for the notice itself, so that the whole stays within `maxChars`. */
const noticeChars = 256;
/** Below this share per member an object keeps its first members instead of a bit of each. */
const minShare = 48;
/** A value nested deeper is left out rather than cut: the walk down is recursive. */
const maxDepth = 16;

const [quote, backslash, comma, openArray, closeArray, openObject, closeObject] = [
  0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
];

/**
 * A shorter JSON text with the same shape: arrays keep their first items, long strings their
 * beginning, and only where the text is too long. It is always an object with `_truncated`; an
 * array or a scalar at the root becomes its `items` or `value`.
 *
 * @returns Pieces to be joined.
 */
export function cutJson(source: CutSource, limits: CutLimits): readonly Buffer[] {
  const { bytes } = source.utf8;
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cut: Cut = { ...source, words, total: limits.total, kept: [], loss: undefined };
  const room = limits.maxChars - noticeChars - limits.hint.length;
  const whole = { start: 0, end: bytes.length };
  const isArray = bytes[0] === openArray;
  const isObject = bytes[0] === openObject;
  if (!isObject) put(cut, isArray ? '{"items":' : '{"value":');
  const units = isArray ? cutArray(cut, whole, room, 0) : cutValue(cut, whole, room, 0);
  const notice = `"_truncated":${describeLoss(cut, units ?? 0, limits.hint)}}`;
  if (units === undefined) return [Buffer.from(`{${notice}`)];
  // The notice is one more member: before the bracket that closes the others.
  if (isObject) cut.kept.pop();
  put(cut, isObject && units === 2 ? notice : `,${notice}`);
  return cut.kept;
}

function describeLoss(cut: Cut, returned: number, hint: string): string {
  const counts =
    cut.loss === undefined
      ? { returned, total: cut.utf8.unitsOf(0, cut.utf8.bytes.length), unit: "characters" }
      : { returned: cut.loss.returned, total: cut.loss.total };
  return JSON.stringify({ ...counts, hint });
}

// Each of these adds to what is kept, and says how many UTF-16 units it added.

function put({ kept }: Cut, text: string): number {
  kept.push(Buffer.from(text));
  return text.length;
}

function keep({ kept, utf8 }: Cut, start: number, end: number): number {
  kept.push(utf8.bytes.subarray(start, end));
  return utf8.unitsOf(start, end);
}

function widthOf({ utf8 }: Cut, { start, end }: Span): number {
  return utf8.unitsOf(start, end);
}

/** @returns undefined when nothing meaningful fits into `room`. */
function fit(cut: Cut, span: Span, room: number, depth: number): number | undefined {
  const fits = cut.utf8.fits(span.start, span.end, room);
  return fits ? keep(cut, span.start, span.end) : cutValue(cut, span, room, depth);
}

/** Of a value that is longer than `room`. */
function cutValue(cut: Cut, span: Span, room: number, depth: number): number | undefined {
  if (depth > maxDepth || room < minShare) return undefined;
  const first = cut.utf8.bytes[span.start];
  if (first === openArray) return cutArray(cut, span, room, depth);
  if (first === openObject) return cutObject(cut, span, room, depth);
  if (first === quote) return cutString(cut, span, room);
  return undefined;
}

function cutArray(cut: Cut, span: Span, room: number, depth: number): number {
  const first = firstItems(cut, span, room);
  const total = (depth === 0 ? cut.total : undefined) ?? first.total;
  let { returned } = first;
  let units = keep(cut, span.start, first.end);
  if (returned === 0 && span.end - span.start > 2) {
    // One item alone is too long: a part of it says more than an empty list.
    const item = { start: span.start + 1, end: valueEnd(cut, span.start + 1) };
    const part = fit(cut, item, room - 2, depth + 1);
    if (part !== undefined) returned = 1;
    units += part ?? 0;
  }
  if (returned < total && isWider(cut, span)) {
    cut.loss = { span, width: undefined, returned, total };
  }
  return units + put(cut, "]");
}

/** As many items of an array as fit into `room` with its brackets, and how many it has. */
function firstItems(
  cut: Cut,
  span: Span,
  room: number,
): { readonly end: number; readonly returned: number; readonly total: number } {
  const last = cut.utf8.endOfUnits(span.start, room - 1);
  const close = span.end - 1;
  let end = span.start + 1;
  let returned = 0;
  let at = end;
  while (at < close) {
    const itemEnd = valueEnd(cut, at);
    if (itemEnd > last) break;
    returned++;
    end = itemEnd;
    at = itemEnd + 1;
  }
  let total = cut.outline?.get(span.start)?.items;
  if (total === undefined) {
    total = returned;
    for (; at < close; at = valueEnd(cut, at) + 1) total++;
  }
  return { end, returned, total };
}

function isWider(cut: Cut, span: Span): boolean {
  const { loss } = cut;
  if (loss === undefined) return true;
  loss.width ??= widthOf(cut, loss.span);
  return widthOf(cut, span) > loss.width;
}

function cutObject(cut: Cut, span: Span, room: number, depth: number): number {
  const members = membersOf(cut, span);
  const share = shareOf(cut, members, room - 2);
  let units = put(cut, "{");
  const none = cut.kept.length;
  let left = room - 2;
  for (const { start, valueStart, end } of members) {
    const allowed = Math.min(left - 1, share < minShare ? left - 1 : share);
    const name = cut.utf8.unitsOf(start, valueStart);
    if (name >= allowed) continue;
    const before = cut.kept.length;
    // With the comma in front of it.
    const key = keep(cut, before === none ? start : start - 1, valueStart);
    const value = fit(cut, { start: valueStart, end }, allowed - name, depth + 1);
    if (value === undefined) {
      cut.kept.length = before;
    } else {
      left -= name + value + 1;
      units += key + value;
    }
  }
  return units + put(cut, "}");
}

/** The longest text a member may have so that all fit: small ones whole, long ones alike. */
function shareOf(cut: Cut, members: readonly Member[], room: number): number {
  const sizes = members
    .map((member) => sizeWithin(cut, member, room) + 1)
    .toSorted((a, b) => a - b);
  let left = room;
  for (const [i, size] of sizes.entries()) {
    const share = Math.floor(left / (sizes.length - i));
    if (size > share) return share - 1;
    left -= size;
  }
  return room;
}

/** Of what does not fit into `room`, only that it does not. */
function sizeWithin({ utf8 }: Cut, { start, end }: Span, room: number): number {
  return utf8.fits(start, end, room) ? utf8.unitsOf(start, end) : end - start;
}

function cutString(cut: Cut, { start, end }: Span, room: number): number {
  const value = String(JSON.parse(cut.utf8.bytes.toString("utf8", start, end)));
  // Escapes make the printed form longer than the value, by an amount only printing shows.
  for (let chars = room - 3; chars > 0; chars = Math.floor(chars / 2)) {
    const printed = JSON.stringify(`${cutText(value, chars)}…`);
    if (printed.length <= room) return put(cut, printed);
  }
  return put(cut, '"…"');
}

function membersOf(cut: Cut, span: Span): readonly Member[] {
  const members: Member[] = [];
  let start = span.start + 1;
  while (start < span.end - 1) {
    const valueStart = stringEnd(cut, start) + 1;
    const end = valueEnd(cut, valueStart);
    members.push({ start, valueStart, end });
    start = end + 1;
  }
  return members;
}

/** Index behind the value at `start`. */
function valueEnd(cut: Cut, start: number): number {
  const { bytes } = cut.utf8;
  const first = bytes[start];
  if (first === quote) return stringEnd(cut, start);
  if (first !== openArray && first !== openObject) return scalarEnd(bytes, start);
  return cut.outline?.get(start)?.end ?? containerEnd(cut, start);
}

function containerEnd(cut: Cut, start: number): number {
  const { bytes } = cut.utf8;
  let open = 0;
  let at = start;
  while (at < bytes.length) {
    const code = bytes[at];
    if (code === quote) {
      at = stringEnd(cut, at);
      continue;
    }
    at++;
    if (code === openObject || code === openArray) open++;
    else if ((code === closeObject || code === closeArray) && --open === 0) return at;
  }
  return at;
}

/** Index behind the string opened at `start`: four bytes are looked at together. */
function stringEnd({ utf8: { bytes }, words }: Cut, start: number): number {
  const last = bytes.length - 4;
  let at = start + 1;
  while (at <= last) {
    const plain = beforeFirst(marksOf(words.getInt32(at, true)));
    at += plain;
    if (plain === 4) continue;
    if (bytes[at] === quote) return at + 1;
    at += 2;
  }
  while (bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

/** The high bits of quotes and backslashes. */
function marksOf(word: number): number {
  return (zerosOf(word ^ 0x22222222) | zerosOf(word ^ 0x5c5c5c5c)) & 0x80808080;
}

function scalarEnd(bytes: Buffer, start: number): number {
  let at = start;
  for (; at < bytes.length; at++) {
    const code = bytes[at];
    if (code === comma || code === closeArray || code === closeObject) break;
  }
  return at;
}
