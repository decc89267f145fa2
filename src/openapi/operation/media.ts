/** Lower case, without parameters. */
export function mediaTypeOf(contentType: string): string {
  return (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

export type MediaKind =
  | "json"
  | "form"
  | "multipart"
  | "positional"
  | "text"
  | "xml"
  | "lines"
  | "binary"
  | "unsupported";

/** In order of preference: what an operation offers several of, it is called with the first. */
const kinds: readonly (readonly [MediaKind, RegExp])[] = [
  ["json", /^(?:application\/json|text\/json|\*\/\*|application\/\*)$/],
  ["json", /\+json$/],
  ["form", /^application\/x-www-form-urlencoded$/],
  ["multipart", /^multipart\/form-data$/],
  ["unsupported", /^(?:multipart\/|text\/event-stream$)/],
  ["lines", /^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines|json-seq)$/],
  ["xml", /^(?:application\/xml|text\/xml|.*\+xml)$/],
  ["text", /^(?:text\/|application\/(?:x-)?(?:yaml|graphql|csv)$)/],
  ["binary", /^application\/octet-stream$/],
  ["binary", /./],
];

/** @returns Its kind, and a rank: lower is preferred. */
export function kindOf(mediaType: string): { readonly kind: MediaKind; readonly rank: number } {
  const rank = kinds.findIndex(([, form]) => form.test(mediaType));
  return { kind: kinds[rank]?.[0] ?? "unsupported", rank };
}
