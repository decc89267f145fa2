/** One part of a multipart body. */
interface Part {
  /** Lower-case names; of a repeated name the first counts. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface Parts {
  readonly parts: readonly Part[];
  /** There were more than `maxParts`. */
  readonly more: boolean;
}

const maxParts = 64;
const maxHeaderBytes = 8192;
const maxHeaders = 32;
/** RFC 2046 §5.1.1. */
const maxBoundaryLength = 70;

const [lineFeed, carriageReturn, dash] = [0x0a, 0x0d, 0x2d];

/**
 * Splits a multipart body (RFC 2046 §5.1). Bare line feeds are accepted for line ends, and a body
 * that ends without its last delimiter keeps the part it was in.
 *
 * @returns undefined when the boundary is missing or does not occur.
 */
export function splitMultipart(body: Buffer, boundary: string | undefined): Parts | undefined {
  if (boundary === undefined || boundary === "" || boundary.length > maxBoundaryLength)
    return undefined;
  const delimiter = Buffer.from(`--${boundary}`, "latin1");
  const parts: Part[] = [];
  let at = nextDelimiter(body, delimiter, 0);
  if (at === -1) return undefined;
  while (at !== -1) {
    const after = at + delimiter.length;
    const closed = body[after] === dash && body[after + 1] === dash;
    const lineEnd = body.indexOf(lineFeed, after);
    if (closed || lineEnd === -1) break;
    if (parts.length === maxParts) return { parts, more: true };
    const next = nextDelimiter(body, delimiter, lineEnd + 1);
    const end = next === -1 ? body.length : withoutLineEnd(body, next, lineEnd + 1);
    parts.push(readPart(body.subarray(lineEnd + 1, end)));
    at = next;
  }
  return { parts, more: false };
}

/** A delimiter counts only at the beginning of a line and only if the line holds nothing else. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  let at = body.indexOf(delimiter, from);
  while (at !== -1) {
    const before = at === 0 || body[at - 1] === lineFeed;
    if (before && endsLine(body, at + delimiter.length)) return at;
    at = body.indexOf(delimiter, at + 1);
  }
  return -1;
}

function endsLine(body: Buffer, at: number): boolean {
  const byte = body[at];
  const blank = byte === lineFeed || byte === carriageReturn || byte === 0x20 || byte === 0x09;
  return blank || byte === undefined || (byte === dash && body[at + 1] === dash);
}

function withoutLineEnd(body: Buffer, end: number, start: number): number {
  if (end - 1 < start) return start;
  return end - 2 >= start && body[end - 2] === carriageReturn ? end - 2 : end - 1;
}

function readPart(part: Buffer): Part {
  if (part[0] === lineFeed) return { headers: new Map(), body: part.subarray(1) };
  if (part[0] === carriageReturn && part[1] === lineFeed)
    return { headers: new Map(), body: part.subarray(2) };
  const head = part.toString("latin1", 0, maxHeaderBytes);
  const blank = /\r?\n\r?\n/.exec(head);
  if (blank === null) return { headers: new Map(), body: part };
  const headers = parseHeaders(head.slice(0, blank.index));
  const content = part.subarray(blank.index + blank[0].length);
  const encoded = headers.get("content-transfer-encoding")?.toLowerCase() === "base64";
  return { headers, body: encoded ? Buffer.from(content.toString("latin1"), "base64") : content };
}

function parseHeaders(head: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  // A line that begins with white space continues the one before it (RFC 5322 §2.2.3).
  const lines = head.replace(/\r?\n[ \t]+/g, " ").split(/\r?\n/, maxHeaders);
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== "" && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}
