/** The beginning of a text as it stands inside a JSON string. */
export interface CutText {
  readonly bytes: Buffer;
  /** UTF-16 units. */
  readonly chars: number;
}

/** Where a JSON text stands between two pieces of it. */
export interface JsonPlace {
  readonly inString: boolean;
  /** Where in the next piece a character stands behind a backslash; -1: it does not. */
  readonly escapedAt: number;
  /** The brackets that close what is open, innermost last; undefined: it is nested too deep to tell. */
  readonly closing: readonly number[] | undefined;
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [closeArray, closeObject] = [0x5d, 0x7d];
/** Of a closing bracket, behind its opening one in ASCII. */
const toClosing = 2;
/** What is nested deeper is cut as text. */
const maxDepth = 200;

export const isBracket: Uint8Array = new Uint8Array(256);
for (const bracket of Buffer.from("[]{}")) isBracket[bracket] = 1;

/** Bytes of the character that begins so; a byte in the middle of one counts as one. */
export function lengthOf(lead: number): number {
  if (lead < 0xc0) return 1;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/** The first `maxChars` UTF-16 units, one less rather than half of an escape or of a pair. */
export function cutEscaped(escaped: Buffer, maxChars: number): CutText {
  let chars = 0;
  let at = 0;
  while (at < escaped.length) {
    const code = escaped[at]!;
    const units = unitsOf(code);
    if (chars + units > maxChars) break;
    chars += units;
    at += code === backslash ? 2 : lengthOf(code);
  }
  return { bytes: escaped.subarray(0, at), chars };
}

/** Beyond U+FFFF: a pair of surrogates. */
function unitsOf(lead: number): number {
  return lead < 0xf0 ? 1 : 2;
}

/** @returns What is open behind a bracket. */
export function nest(closing: number[] | undefined, bracket: number): number[] | undefined {
  if (closing === undefined) return undefined;
  if (bracket === closeArray || bracket === closeObject) closing.pop();
  else if (closing.push(bracket + toClosing) > maxDepth) return undefined;
  return closing;
}

/** A place where a value has ended, or could. */
interface End {
  readonly at: number;
  readonly chars: number;
  readonly closing: readonly number[];
}

/**
 * The longest beginning that ends with a value, and what closes it: JSON again. Where the piece has
 * no such place, its beginning as it is.
 *
 * @param escaped Compact JSON from `place` on.
 */
export function cutEscapedJson(escaped: Buffer, maxChars: number, place: JsonPlace): CutText {
  const last = place.closing && lastEnd(escaped, maxChars, place, [...place.closing]);
  if (last === undefined) return cutEscaped(escaped, maxChars);
  const closing = Buffer.from(last.closing.toReversed());
  return { bytes: Buffer.concat([escaped.subarray(0, last.at), closing]), chars: last.chars };
}

function lastEnd(
  escaped: Buffer,
  maxChars: number,
  place: JsonPlace,
  open: number[],
): End | undefined {
  let { inString } = place;
  let isEscaped = place.escapedAt === 0;
  let found: End | undefined;
  const note = (at: number, chars: number): void => {
    if (chars + open.length <= maxChars) found = { at, chars, closing: [...open] };
  };
  let chars = 0;
  for (let at = 0; at < escaped.length && chars < maxChars;) {
    const lead = escaped[at]!;
    const start = at;
    at += lead === backslash ? 2 : lengthOf(lead);
    chars += unitsOf(lead);
    const code = lead === backslash ? escaped[start + 1]! : lead;
    if (inString) {
      inString = code !== quote || isEscaped;
      isEscaped = code === backslash && !isEscaped;
    } else if (isBracket[code] === 1) {
      if (nest(open, code) === undefined) return found;
      note(at, chars);
    } else if (code === comma) {
      note(start, chars - 1);
    } else {
      inString = code === quote;
    }
  }
  return found;
}
