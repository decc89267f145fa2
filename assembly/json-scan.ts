/**
 * AssemblyScript: reads like TypeScript, becomes WebAssembly. `npm run build:assembly` writes what it
 * becomes into src/upstream/reply/json-scan-binary.ts, and a test fails when that is not up to date.
 *
 * Proves that bytes are one compact JSON text (RFC 8259), in one pass, and on the way either writes
 * them as they stand inside a JSON string, or notes where its long arrays and objects are. It takes
 * the bytes block by block and remembers between blocks where it is, so its memory is the same for a
 * kilobyte and for a gigabyte. It says whether they are ASCII; whether the others are UTF-8 is its
 * caller's matter.
 *
 * Memory: of each open container the opening bracket, where it begins and its items so far; one
 * block of input; what is written of one block.
 */
const openBrackets: usize = 0;
const openExtents: usize = 1_024;
/** At each depth 16 long containers can end in one block: their notes fill seven eighths of `output`. */
const mostDepth: i32 = 600;
const input: usize = openExtents + 8 * 1_024;
const inputBytes: usize = 65_536;
/** Strings are read eight bytes at a time, and the last eight may be past the end. */
const slack: usize = 8;
/** At most two bytes for each of the input, or the notes. */
const output: usize = input + inputBytes + slack;
/** To read what is no longer costs less than to remember it. */
const longBytes: u32 = 4_096;

/** What the next byte has to be: the start of a value, … */
const value = 0;
const firstItemOrEnd = 1;
const firstNameOrEnd = 2;
const name = 3;
const colon = 4;
/** … what follows a value, … */
const commaOrEnd = 5;
/** … or something inside of a string, a literal or a number. */
const inString = 6;
const inEscape = 7;
const inCodePoint = 8;
const inLiteral = 9;
const afterMinus = 10;
const afterZero = 11;
const inInteger = 12;
const afterPoint = 13;
const inFraction = 14;
const afterE = 15;
const afterSign = 16;
const inExponent = 17;
/** Nothing that could come would make it JSON. */
const failed = -1;

let state: i32 = value;
/** Of containers that are open. */
let depth: i32 = 0;
let maxDepth: i32 = 0;
/** Bytes of the blocks before this one. */
let bytesBefore: u32 = 0;
/** Of all eights that were looked at in strings; what else is no ASCII is no JSON. */
let seen: u64 = 0;
/** Whether the string that is open is a name. */
let isName: bool = false;
/** Hexadecimal digits of `\u` that are still to come, and the first of them. */
let digitsLeft: i32 = 0;
let firstDigit: u32 = 0;
/** Bytes of a literal that are still to come, the next one lowest. */
let literalLeft: u32 = 0;

export function inputAt(): usize {
  return input;
}

export function outputAt(): usize {
  return output;
}

export function blockBytes(): usize {
  return inputBytes;
}

/** Forgets what came before. @param deepest What is nested deeper is not proven. */
export function begin(deepest: i32): void {
  state = value;
  depth = 0;
  maxDepth = min(deepest, mostDepth);
  bytesBefore = 0;
  seen = 0;
  isName = false;
}

/** Whether what has come is one whole value. */
export function isWhole(): bool {
  return depth == 0 && (state == commaOrEnd || isNumber(state));
}

export function isAscii(): bool {
  return (seen & 0x8080808080808080) == 0;
}

@inline
function isDigit(byte: u32): bool {
  return byte - 0x30 < 10;
}

function isHex(byte: u32): bool {
  return isDigit(byte) || (byte | 0x20) - 0x61 < 6;
}

/** Of eight bytes, the high bit of each that ends a run of plain ones: `"`, `\` and controls. */
@inline
function endsOfRun(eight: u64): u64 {
  const quotes = eight ^ 0x2222222222222222;
  const backslashes = eight ^ 0x5c5c5c5c5c5c5c5c;
  const ends =
    ((quotes - 0x0101010101010101) & ~quotes) |
    ((backslashes - 0x0101010101010101) & ~backslashes) |
    ((eight - 0x2020202020202020) & ~eight);
  // A borrow can mark bytes above a true one, never below it: the lowest mark is right.
  return ends & 0x8080808080808080;
}

// Each of these takes one byte and says what the next has to be.

@inline
function open(bracket: u32): i32 {
  if (++depth > maxDepth) return failed;
  store<u8>(openBrackets + depth, <u8>bracket);
  return bracket == 0x7b ? firstNameOrEnd : firstItemOrEnd;
}

@inline
function close(): i32 {
  depth--;
  return commaOrEnd;
}

@inline
function openString(names: bool): i32 {
  isName = names;
  return inString;
}

function openLiteral(rest: u32): i32 {
  literalLeft = rest;
  return inLiteral;
}

function startOfValue(byte: u32): i32 {
  if (byte == 0x22) return openString(false);
  if (isDigit(byte)) return byte == 0x30 ? afterZero : inInteger;
  if (byte == 0x7b || byte == 0x5b) return open(byte);
  if (byte == 0x2d) return afterMinus;
  if (byte == 0x74) return openLiteral(0x657572);
  if (byte == 0x66) return openLiteral(0x65736c61);
  if (byte == 0x6e) return openLiteral(0x6c6c75);
  return failed;
}

@inline
function startOfName(byte: u32): i32 {
  return byte == 0x22 ? openString(true) : failed;
}

/** Closing brackets are the second characters behind the opening ones. */
@inline
function behindValue(byte: u32): i32 {
  if (depth == 0) return failed;
  const bracket = <u32>load<u8>(openBrackets + depth);
  if (byte == 0x2c) return bracket == 0x7b ? name : value;
  return byte == bracket + 2 ? close() : failed;
}

/** A byte that is part of no run. */
@inline
function inside(byte: u32): i32 {
  if (byte == 0x22) return isName ? colon : commaOrEnd;
  return byte == 0x5c ? inEscape : failed;
}

function behindBackslash(byte: u32): i32 {
  if (byte == 0x75) {
    digitsLeft = 4;
    return inCodePoint;
  }
  const isControl = byte == 0x62 || byte == 0x66 || byte == 0x6e || byte == 0x72 || byte == 0x74;
  return isControl || byte == 0x22 || byte == 0x5c || byte == 0x2f ? inString : failed;
}

/** D800 to DFFF are halves of characters: whether the other half is there, others can tell. */
function codePoint(digit: u32): i32 {
  if (!isHex(digit)) return failed;
  if (digitsLeft == 4) firstDigit = digit | 0x20;
  else if (digitsLeft == 3 && firstDigit == 0x64 && digit >= 0x38) return failed;
  return --digitsLeft == 0 ? inString : inCodePoint;
}

function literal(byte: u32): i32 {
  if (byte != (literalLeft & 0xff)) return failed;
  literalLeft >>= 8;
  return literalLeft == 0 ? commaOrEnd : inLiteral;
}

function digit(now: i32, byte: u32): i32 {
  if (now == afterMinus) return byte == 0x30 ? afterZero : inInteger;
  if (now == afterZero) return failed;
  if (now == afterPoint) return inFraction;
  return now == afterE || now == afterSign ? inExponent : now;
}

/** Only what comes behind a number tells that it has ended. */
function number(now: i32, byte: u32): i32 {
  if (isDigit(byte)) return digit(now, byte);
  const isWholePart = now == afterZero || now == inInteger;
  if (byte == 0x2e && isWholePart) return afterPoint;
  if ((byte | 0x20) == 0x65 && (isWholePart || now == inFraction)) return afterE;
  if ((byte == 0x2b || byte == 0x2d) && now == afterE) return afterSign;
  return isNumber(now) ? behindValue(byte) : failed;
}

function isNumber(now: i32): bool {
  return now == afterZero || now == inInteger || now == inFraction || now == inExponent;
}

@inline
function next(now: i32, byte: u32): i32 {
  switch (now) {
    case inString:
      return inside(byte);
    case commaOrEnd:
      return behindValue(byte);
    case colon:
      return byte == 0x3a ? value : failed;
    case firstNameOrEnd:
      return byte == 0x7d ? close() : startOfName(byte);
    case name:
      return startOfName(byte);
    case firstItemOrEnd:
      return byte == 0x5d ? close() : startOfValue(byte);
    case value:
      return startOfValue(byte);
    case inEscape:
      return behindBackslash(byte);
    case inCodePoint:
      return codePoint(byte);
    case inLiteral:
      return literal(byte);
    default:
      return number(now, byte);
  }
}

/**
 * Takes so many bytes of the input and writes them, escaped, to the output.
 *
 * @returns How many it wrote; -1: this is not compact JSON, or JSON with an escaped surrogate.
 */
export function escape(length: i32): i32 {
  return scan(length, true);
}

/**
 * Takes so many bytes of the input and writes three numbers for each long container that ends among
 * them to the output: where it begins, the index behind it, its items or members.
 *
 * @returns As `escape`.
 */
export function outline(length: i32): i32 {
  return scan(length, false);
}

@inline
function scan(length: i32, escapes: bool): i32 {
  let at: usize = input;
  const end: usize = input + length;
  let to: usize = output;
  let now = state;
  let all: u64 = 0;
  // A byte of no run: none goes past the end.
  store<u64>(end, 0);
  while (at < end) {
    if (now == inString) {
      let ends: u64;
      do {
        const eight = load<u64>(at);
        ends = endsOfRun(eight);
        all |= eight;
        if (escapes) store<u64>(to, eight);
        // Of nothing it is 64.
        const plain = <usize>ctz(ends) >> 3;
        at += plain;
        if (escapes) to += plain;
      } while (ends == 0);
      if (at == end) break;
    }
    const byte = <u32>load<u8>(at++);
    if (escapes) {
      if (byte == 0x22 || byte == 0x5c) store<u8>(to++, 0x5c);
      store<u8>(to++, <u8>byte);
      now = next(now, byte);
    } else {
      const before = depth;
      now = next(now, byte);
      if (depth != before || byte == 0x2c) to = note(before, bytesBefore + <u32>(at - input), to);
    }
    if (now == failed) return failed;
  }
  state = now;
  seen |= all;
  bytesBefore += length;
  return <i32>(to - output);
}

/**
 * Behind a bracket or a comma, which is of no string: in a string both are part of a run.
 *
 * @returns Where the next note goes.
 */
function note(depthBefore: i32, at: u32, to: usize): usize {
  const extent: usize = openExtents + 8 * (depthBefore > depth ? depthBefore : depth);
  if (depth > depthBefore) {
    store<u32>(extent, at - 1);
    store<u32>(extent + 4, 1);
    return to;
  }
  if (depth == depthBefore) {
    store<u32>(extent + 4, load<u32>(extent + 4) + 1);
    return to;
  }
  const start = load<u32>(extent);
  if (at - start <= longBytes) return to;
  store<u32>(to, start);
  store<u32>(to + 4, at);
  store<u32>(to + 8, load<u32>(extent + 4));
  return to + 12;
}
