import { CallError } from "../base/errors.ts";

/**
 * Percent-encodes everything outside RFC 3986 `unreserved`. `encodeURIComponent` alone leaves
 * `!'()*`, which are reserved.
 *
 * @throws URIError for a lone surrogate.
 */
export function encodeText(text: string): string {
  return plain.test(text) ? text : encodeURIComponent(text).replace(/[!'()*]/g, percent);
}

const plain = /^[A-Za-z0-9._~-]*$/;

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * `allowReserved`: reserved characters and percent-triples pass, except those that would end or
 * split the place they stand in (OAS leaves these to the application).
 */
export function encodeReserved(text: string, kept: RegExp): string {
  return text
    .split(/(%[0-9A-Fa-f]{2})/)
    .map((piece, i) => (i % 2 ? piece : keepReserved(piece, kept)))
    .join("");
}

function keepReserved(text: string, kept: RegExp): string {
  return Array.from(text, (char) => (kept.test(char) ? char : encodeText(char))).join("");
}

/** Of a query: not `#`, `&`, `+`, `[`, `]`. */
export const reservedInQuery: RegExp = /^[:/?@!$'()*,;=]$/;
/** Of a path segment: never `/`, `?`, `#`. */
export const reservedInPath: RegExp = /^[:@!$&'()*+,;=]$/;

/** `application/x-www-form-urlencoded` as the URL standard writes it: space is `+`. */
export function encodeFormText(text: string): string {
  return encodeText(text).replaceAll("~", "%7E").replaceAll("%20", "+");
}

/** Encoding fails only for text that is no Unicode: tells the model which argument has it. */
export function refusing<T>(argument: string, encode: () => T): T {
  try {
    return encode();
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw new CallError("invalid_arguments", `${argument} has broken Unicode characters`, {
      cause,
    });
  }
}
