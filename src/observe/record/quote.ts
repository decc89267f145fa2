import { escapeText } from "../../base/text.ts";

const plain = /^[ !#-[\]-~]*$/;

/** Text from outside as a JSON string: one line, nothing hidden in it, `maxLength` characters. */
export function quote(text: string, maxLength = 256): string {
  return text.length <= maxLength && plain.test(text)
    ? `"${text}"`
    : JSON.stringify(escapeText(text, maxLength));
}

/** `"name":` and the text, with a comma in front; nothing for nothing. */
export function member(name: string, text: string | undefined, maxLength = 256): string {
  return text === undefined ? "" : `,"${name}":${quote(text, maxLength)}`;
}

/**
 * The longest of three forms that fits: what a caller can fill must leave room for what the gateway
 * says about it.
 */
export function fit(maxBytes: number, write: (maxLength: number) => string): string {
  let bytes = Buffer.from(write(256));
  if (bytes.length > maxBytes) bytes = Buffer.from(write(48));
  if (bytes.length > maxBytes) bytes = Buffer.from(write(8));
  // In one piece: joined text would be copied piece by piece into every line.
  return bytes.toString();
}
