import { CallError } from "../../base/errors.ts";

/**
 * Percent-encodes everything outside RFC 3986 `unreserved`. `encodeURIComponent` alone leaves
 * `!'()*`, which are reserved.
 *
 * @throws URIError for a lone surrogate, and for a control character: encoded it would be harmless
 *   here, but not in what the API does with it.
 */
export function encodeText(text: string): string {
  if (plain.test(text)) return text;
  if (control.test(text)) throw new URIError("a control character");
  return percentEncode(text);
}

/** Of a name that the document gives: never fails, so that no document can keep a tool from loading. */
export function encodeName(name: string): string {
  return percentEncode(wellFormed(name));
}

/** @throws URIError for a lone surrogate. */
function percentEncode(text: string): string {
  return plain.test(text) ? text : encodeURIComponent(text).replace(/[!'()*]/g, percent);
}

function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const control = /[\u0000-\u001f\u007f-\u009f]/;

const plain = /^[A-Za-z0-9._~-]*$/;

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * `allowReserved`: reserved characters and percent-triples pass, except those that would end or
 * split the place they stand in (OAS leaves these to the application).
 */
export function encodeReserved(
  text: string,
  kept: RegExp,
  encode: (text: string) => string,
): string {
  const keep = (piece: string): string =>
    Array.from(piece, (char) => (kept.test(char) ? char : encode(char))).join("");
  return text
    .split(/(%[0-9A-Fa-f]{2})/)
    .map((piece, i) => (i % 2 ? keepTriple(piece) : keep(piece)))
    .join("");
}

function keepTriple(triple: string): string {
  if (/^%(?:[01]|7f)/i.test(triple)) throw new URIError("a control character");
  return triple;
}

/** Of a query: not `#`, `&`, `+`, `[`, `]`. */
export const reservedInQuery: RegExp = /^[:/?@!$'()*,;=]$/;
/** Of a path segment: never `/`, `?`, `#`. */
export const reservedInPath: RegExp = /^[:@!$&'()*+,;=]$/;
/** Of `{+name}`: a path of several segments. */
export const reservedAcrossSegments: RegExp = /^[/:@!$&'()*+,;=]$/;

/** Of a form body, where line breaks are as good as any text. @throws URIError for a lone surrogate. */
export function encodeFormStyle(text: string): string {
  return percentEncode(text).replaceAll("~", "%7E");
}

/** `application/x-www-form-urlencoded` as the URL standard writes it: space is `+`. */
export function encodeFormText(text: string): string {
  return encodeFormStyle(text).replaceAll("%20", "+");
}

/** Text that an author wrote into a path or query, with what no URL can hold encoded. */
export function encodeLiteral(text: string): string {
  return wellFormed(text).replace(/[^!-~]+/gu, encodeURIComponent);
}

/** Encoding fails only for text that no URL should hold: tells the model which argument has it. */
export function refusing<T>(argument: string, encode: () => T): T {
  try {
    return encode();
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw new CallError(
      "invalid_arguments",
      `${argument} must not have control characters or broken Unicode`,
      { cause },
    );
  }
}
