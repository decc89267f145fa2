/** Control, format, surrogate and line-separator characters: they move cursors or hide text. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/**
 * Text from outside, safe to print on one line: every character that could start a new line, colour
 * a terminal or reorder what is read becomes `\uXXXX`; cut to `maxLength` characters.
 */
export function escapeText(text: string, maxLength = 256): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(unsafe, (char) =>
    Array.from({ length: char.length }, (_, i) => {
      return `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }).join(""),
  );
}
