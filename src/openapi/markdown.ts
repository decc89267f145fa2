/**
 * CommonMark as a model reads it: links by their words, no images, no HTML, nothing of what a page
 * would hide (comments, `<details>`, attributes, link targets). Code stays as it is, and so does what
 * only looks like a tag: `<owner>` is a placeholder. Every step takes time linear in the text.
 */
export function reduceMarkdown(text: string): string {
  if (!markup.test(text)) return text;
  const { plain, code } = setCodeApart(text);
  const reduced = entities(links(tags(hidden.reduce(withoutBlocks, plain))));
  return reduced
    .replace(/\n(?:[ \t]*\n){2,}/g, "\n\n")
    .replace(codeMark, (_, index: string) => code[Number(index)] ?? "")
    .trim();
}

const markup = /[<[&]/;
/** Nothing else has it: control characters are no part of a text that is published. */
// oxlint-disable-next-line no-control-regex -- chosen because it cannot occur
const codeMark = /\u0000(\d+)\u0000/g;

/** Spans and fences of backticks (CommonMark §6.1, §4.5), which end with as many as they begin with. */
function setCodeApart(text: string): { readonly plain: string; readonly code: readonly string[] } {
  const runs = [...text.matchAll(/`+/g)];
  const last = new Map(runs.map(({ 0: run }, i) => [run.length, i]));
  const code: string[] = [];
  let plain = "";
  let from = 0;
  for (let i = 0; i < runs.length; i++) {
    const open = runs[i];
    if (open === undefined || (last.get(open[0].length) ?? i) <= i) continue;
    let end = i + 1;
    while (runs[end]?.[0].length !== open[0].length) end++;
    const until = (runs[end]?.index ?? text.length) + open[0].length;
    plain += `${text.slice(from, open.index)}\u0000${code.length}\u0000`;
    code.push(text.slice(open.index, until));
    from = until;
    i = end;
  }
  return { plain: plain + text.slice(from), code };
}

/** What no reader of the page sees, unless it is opened. */
const hidden: readonly (readonly [open: RegExp, close: RegExp])[] = [
  [/<!--/g, /-->/g],
  ...["details", "script", "style", "template"].map(
    (name) => [new RegExp(`<${name}\\b`, "gi"), new RegExp(`</${name}\\s*>`, "gi")] as const,
  ),
];

function withoutBlocks(text: string, [open, close]: (typeof hidden)[number]): string {
  let kept = "";
  let from = 0;
  for (;;) {
    open.lastIndex = from;
    const start = open.exec(text);
    close.lastIndex = start === null ? 0 : open.lastIndex;
    if (start === null) return kept + text.slice(from);
    // A comment without an end hides all that follows.
    const isHiding = close.exec(text) !== null || start[0] === "<!--";
    if (!isHiding) return kept + text.slice(from);
    kept += text.slice(from, start.index);
    if (close.lastIndex === 0) return kept;
    from = close.lastIndex;
  }
}

const tag = /<(\/?)([a-z][a-z\d-]*)(\s[^<>]*)?\/?>/gi;
/** End the line they stand in. */
const breaks = /^(?:br|hr|p|div|li|ul|ol|tr|table|h[1-6]|pre|blockquote|section|summary)$/i;
/** Need no end tag. */
const unclosed = /^(?:br|hr|img|wbr|p|li|tr|td|th|dt|dd)$/i;
const known =
  /^(?:a|abbr|article|aside|audio|b|big|blockquote|body|button|center|cite|code|dd|del|details|dfn|div|dl|dt|em|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|ins|kbd|li|main|mark|nav|object|ol|p|picture|pre|q|s|samp|section|small|span|strike|strong|sub|summary|sup|svg|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var|video)$/i;

function tags(text: string): string {
  const elements = new Set<string>();
  for (const [, end, name, attributes = ""] of text.matchAll(tag)) {
    const isKnown = end === "/" && known.test(name ?? "");
    if (isKnown || /=\s*["']/.test(attributes)) elements.add(lower(name));
  }
  return text.replace(tag, (whole, end: string, name: string) => {
    if (!unclosed.test(name) && !elements.has(lower(name))) return whole;
    if (lower(name) === "li" && end === "") return "\n- ";
    return breaks.test(name) ? "\n" : "";
  });
}

function lower(name: string | undefined): string {
  return (name ?? "").toLowerCase();
}

/** No bracket inside, and bounded, so that a text of brackets is looked at once. */
const words = String.raw`\[((?:[^[\]\\]|\\[^]){0,500})\]`;
const target = String.raw`\((?:[^()\n]|\([^()\n]*\)){0,2000}\)`;
const image = new RegExp(`!${words}(?:${target}|\\[([^[\\]]*)\\])`, "g");
const link = new RegExp(`${words}(?:${target}|\\[([^[\\]]*)\\])`, "g");
const definition = /^ {0,3}\[([^[\]\n]+)\]: *<?(?:https?:|mailto:|[/#.])[^\n]*\n?/gm;

function links(text: string): string {
  const labels = new Set([...text.matchAll(definition)].map(([, label]) => lower(label)));
  const shorten =
    (shown: (words: string) => string) =>
    (whole: string, content: string, label?: string): string => {
      // Without a definition it is no reference, but perhaps `filter[name][eq]`.
      const isLink = label === undefined || labels.has(lower(label || content));
      return isLink ? shown(content) : whole;
    };
  return text
    .replace(definition, "")
    .replace(
      image,
      shorten(() => ""),
    )
    .replace(
      link,
      shorten((content) => content),
    )
    .replace(/<(https?:\/\/[^<>\s]*)>/g, "$1");
}

const entityTexts: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  "#39": "'",
  nbsp: " ",
};

function entities(text: string): string {
  return text.replace(
    /&(amp|lt|gt|quot|apos|#39|nbsp);/g,
    (whole, name: string) => entityTexts[name] ?? whole,
  );
}
