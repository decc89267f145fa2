import { isAscii, isUtf8 } from "node:buffer";

/** The text of a body, piece by piece, as it stands inside a JSON string. */
export interface EscapedText {
  /** Made of a piece of the body. */
  readonly push: (chunk: Buffer) => Buffer;
  /** What was left: half a character. */
  readonly end: () => Buffer;
  /** UTF-16 units so far. */
  readonly chars: () => number;
  /** The text is longer than it may be, and has ended. */
  readonly isCut: () => boolean;
}

export interface EscapedTextOptions {
  /** Of JSON, white space between its tokens is left out; of text, what drives a terminal. */
  readonly isJson: boolean;
  /** UTF-16 units. */
  readonly maxChars: number;
  /** Gives a Buffer of at least so many bytes. */
  readonly allocate: (bytes: number) => Buffer;
}

/** Where the text of one body stands. */
interface Place {
  /** Of JSON: inside a string, and behind a backslash in it. */
  inString: boolean;
  escaped: boolean;
  /** UTF-16 units that were left out. */
  dropped: number;
}

/**
 * What the buffered way makes of the same bytes (UTF-8, malformed bytes become U+FFFD, a byte order
 * mark is removed), but for JSON that is none: it is not proven here.
 */
export function createEscapedText({ isJson, maxChars, allocate }: EscapedTextOptions): EscapedText {
  const write = isJson ? writeJson : writeText;
  const place: Place = { inString: false, escaped: false, dropped: 0 };
  let left = maxChars;
  let isCut = false;
  let isFirst = true;
  /** The beginning of a character whose end has not come. */
  let half: Buffer = nothing;

  /** @param pieces Each of whole characters. */
  const escape = (pieces: readonly Buffer[]): Buffer => {
    if (isCut) return nothing;
    const whole = pieces.map(wellFormed);
    const size = whole.reduce((sum, { length }) => sum + length, 0);
    if (size === 0) return nothing;
    const target = allocate(2 * size);
    let end = 0;
    let chars = 0;
    place.dropped = 0;
    for (const piece of whole) {
      end = write(piece, target, end, place);
      chars += charsOf(piece);
    }
    const kept = chars - place.dropped;
    if (kept <= left) {
      left -= kept;
      return target.subarray(0, end);
    }
    isCut = true;
    const cut = cutEscaped(target.subarray(0, end), left);
    left -= cut.chars;
    return target.subarray(0, cut.end);
  };
  return {
    push(chunk) {
      const body = isFirst && hasMark(chunk) ? chunk.subarray(3) : chunk;
      isFirst = false;
      const joint = half.length === 0 ? 0 : continuationsOf(body);
      const first = joint === 0 ? half : Buffer.concat([half, body.subarray(0, joint)]);
      const rest = body.subarray(joint);
      if (rest.length === 0) {
        half = tailOf(first);
        return escape([first.subarray(0, first.length - half.length)]);
      }
      // Copied: it must not keep the whole chunk.
      half = Buffer.from(tailOf(rest));
      const pieces = [rest.subarray(0, rest.length - half.length)];
      return escape(first.length === 0 ? pieces : [first, ...pieces]);
    },
    end() {
      const last = half;
      half = nothing;
      return last.length === 0 ? last : escape([last]);
    },
    chars: () => maxChars - left,
    isCut: () => isCut,
  };
}

const nothing = Buffer.alloc(0);
const [quote, backslash, space, firstC1Lead] = [0x22, 0x5c, 0x20, 0xc2];

/** The letter behind the backslash. */
const letters = new Uint8Array(256);
for (const char of '"\\') letters[char.charCodeAt(0)] = char.charCodeAt(0);
letters[0x09] = 0x74;
letters[0x0a] = 0x6e;
letters[0x0d] = 0x72;

/** Bytes of JSON in a string that need no look. */
const isPlainInJson = new Uint8Array(256).fill(1, space);
isPlainInJson[quote] = 0;
isPlainInJson[backslash] = 0;

/** U+0080 to U+009F begin with C2. */
const isPlainInText = isPlainInJson.slice();
isPlainInText[0x7f] = 0;
isPlainInText[firstC1Lead] = 0;

function writeText(bytes: Buffer, target: Buffer, start: number, place: Place): number {
  let at = start;
  // Indexes: iterators of Buffers cost three times as much.
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i]!;
    if (isPlainInText[code] === 1) {
      target[at++] = code;
    } else if (code === firstC1Lead && bytes[i + 1]! >= 0xa0) {
      target[at++] = code;
    } else if (letters[code] === 0) {
      place.dropped++;
      if (code === firstC1Lead) i++;
    } else {
      target[at++] = backslash;
      target[at++] = letters[code]!;
    }
  }
  return at;
}

/** Control characters, which JSON does not have, are left out too. */
function writeJson(bytes: Buffer, target: Buffer, start: number, place: Place): number {
  let { inString, escaped } = place;
  let at = start;
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i]!;
    if (isPlainInJson[code] === 1 && (inString || code !== space)) {
      target[at++] = code;
      escaped = false;
    } else if (code <= space) {
      place.dropped++;
    } else {
      target[at++] = backslash;
      target[at++] = code;
      if (code === quote && !escaped) inString = !inString;
      escaped = code === backslash && inString && !escaped;
    }
  }
  place.inString = inString;
  place.escaped = escaped;
  return at;
}

function hasMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function wellFormed(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString());
}

/** Bytes of the character that begins so; a byte in the middle of one counts as one. */
function lengthOf(lead: number): number {
  if (lead < 0xc0) return 1;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

function isContinuation(code: number): boolean {
  return (code & 0xc0) === 0x80;
}

/** The beginning of a character at the end of `bytes`. */
function tailOf(bytes: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const code = bytes[bytes.length - back]!;
    if (isContinuation(code)) continue;
    return lengthOf(code) > back ? bytes.subarray(bytes.length - back) : nothing;
  }
  return nothing;
}

/** How many bytes at the front may belong to a character that began before. */
function continuationsOf(bytes: Buffer): number {
  let count = 0;
  while (count < 3 && count < bytes.length && isContinuation(bytes[count]!)) count++;
  return count;
}

/** UTF-16 units of well-formed UTF-8. */
function charsOf(bytes: Buffer): number {
  if (isAscii(bytes)) return bytes.length;
  let chars = 0;
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i]!;
    // Beyond U+FFFF: a pair of surrogates.
    if (!isContinuation(code)) chars += code < 0xf0 ? 1 : 2;
  }
  return chars;
}

/** The first `maxChars` UTF-16 units, one less rather than half of an escape or of a pair. */
function cutEscaped(
  escaped: Buffer,
  maxChars: number,
): { readonly end: number; readonly chars: number } {
  let chars = 0;
  let at = 0;
  while (at < escaped.length) {
    const code = escaped[at]!;
    const units = code < 0xf0 ? 1 : 2;
    if (chars + units > maxChars) break;
    chars += units;
    at += code === backslash ? 2 : lengthOf(code);
  }
  return { end: at, chars };
}
