/** Characters that drive a terminal. Tab, line feed and carriage return stay. */
// oxlint-disable-next-line no-control-regex -- they are what is removed
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** Besides controls: what reorders or hides text (bidi, zero width, tags, variation selectors, fillers). */
const hidden = /[\p{Cf}\p{Cs}\p{DI}\u2028\u2029]/gu;

/** Text of an API as it is, except that it cannot drive a terminal. */
export function stripControls(text: string): string {
  return text.replace(controls, "");
}

/** Text for one line of a message: no controls, nothing that reorders or hides, single spaces. */
export function toLine(text: string, maxLength: number): string {
  // Cut twice, so that the work does not grow with a text of which little is kept.
  const line = text
    .slice(0, maxLength * 4)
    .replace(hidden, "")
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
  return line.length > maxLength ? `${cutText(line, maxLength - 1)}…` : line;
}

/** The first `maxLength` UTF-16 units, one less rather than half a surrogate pair. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const end = Math.max(0, maxLength);
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}

/** `text`, or its beginning and a note that says so. */
export function limitText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const kept = cutText(text, maxLength);
  return `${kept}\n[cut: the first ${kept.length} of ${text.length} characters]`;
}
