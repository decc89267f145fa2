import { isAscii } from "node:buffer";
import { TextDecoder } from "node:util";

/**
 * The text of a body. A byte order mark decides the encoding and is removed (as browsers do), then
 * the charset named by the header, then UTF-8. Malformed bytes become U+FFFD, so the text never
 * holds a lone surrogate.
 *
 * @param charset Any WHATWG encoding label; an unknown one is read as UTF-8.
 */
export function decodeText(body: Buffer, charset: string | undefined): string {
  const marked = charsetOfMark(body) ?? charset;
  if (marked === undefined || marked === "utf-8" || marked === "UTF-8") return decodeUtf8(body);
  return createDecoder(marked).decode(body);
}

/** As `decodeText`; JSON begins with an ASCII character, so its first two bytes show UTF-16 (RFC 4627 §3). */
export function decodeJson(body: Buffer, charset: string | undefined): string {
  if (charset === undefined && body.length > 1) {
    if (body[0] === 0) return createDecoder("utf-16be").decode(body);
    if (body[1] === 0) return createDecoder("utf-16le").decode(body);
  }
  return decodeText(body, charset);
}

function decodeUtf8(body: Buffer): string {
  // One native scan that makes the decoding of the usual body a plain copy.
  if (isAscii(body)) return body.toString("latin1");
  return body.toString("utf8", hasUtf8Mark(body) ? 3 : 0);
}

function hasUtf8Mark(body: Buffer): boolean {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
}

function charsetOfMark(body: Buffer): string | undefined {
  if (body[0] === 0xff && body[1] === 0xfe) return "utf-16le";
  if (body[0] === 0xfe && body[1] === 0xff) return "utf-16be";
  return hasUtf8Mark(body) ? "utf-8" : undefined;
}

function createDecoder(label: string): TextDecoder {
  try {
    return new TextDecoder(label);
  } catch {
    return new TextDecoder();
  }
}
