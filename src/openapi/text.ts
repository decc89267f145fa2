import { reduceMarkdown } from "./markdown.ts";

/**
 * The first group is what may stay: keycaps, and emoji with their modifiers and joiners, the only
 * places where U+FE0F and U+200D can be seen.
 */
const emojiOrHidden =
  /([0-9#*]\uFE0F\u20E3|\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?(?:\u200D\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?)*)|[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Default_Ignorable_Code_Point}\u2800]/gu;
/** A title or description as a model may read it. */
export function cleanDescription(text: string): string {
  return reduceMarkdown(cleanText(text));
}

const printableAscii = /^[\n\t\x20-\x7e]*$/;

/**
 * Text of a document as a model may read it: what a person would not see is taken out (control,
 * bidirectional, zero-width, tag and private characters), because it can carry instructions past a
 * reviewer. Line breaks become `\n`; tabs and visible emoji stay.
 */
export function cleanText(text: string): string {
  if (printableAscii.test(text)) return text;
  return text
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, "\n")
    .replace(emojiOrHidden, (char, visible?: string) =>
      visible !== undefined || char === "\n" || char === "\t" ? char : "",
    );
}
