/** A Content-Type as RFC 9110 §8.3.1 reads it. */
export interface MediaType {
  /** `type/subtype` in lower case, without parameters. */
  readonly essence: string;
  readonly family: Family;
  /** Parameter names in lower case, values unquoted; the first of a repeated name counts. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** What a body of this type becomes; `lines` and `records` are streams of JSON texts. */
export type Family =
  | "json"
  | "lines"
  | "records"
  | "events"
  | "html"
  | "text"
  | "image"
  | "audio"
  | "multipart"
  | "binary";

/** A longer header is not a media type but an attack on whoever parses it. */
const maxHeaderLength = 1024;
const essencePattern = /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+$/;
const parameterPattern = /;\s*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))/g;

const none: ReadonlyMap<string, string> = new Map();
const plainJson: MediaType = { essence: "application/json", family: "json", parameters: none };

/** @returns undefined when the header is absent, empty or malformed: the body has to speak for itself. */
export function parseMediaType(header: string | undefined): MediaType | undefined {
  if (header === undefined) return undefined;
  if (header === "application/json" || header === "application/json; charset=utf-8")
    return plainJson;
  if (header.length > maxHeaderLength) return undefined;
  const end = header.search(/[;,]/);
  const essence = (end === -1 ? header : header.slice(0, end)).trim().toLowerCase();
  if (!essencePattern.test(essence)) return undefined;
  const parameters = end === -1 ? none : parseParameters(header.slice(end));
  return { essence, family: familyOf(essence), parameters };
}

function parseParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, token = ""] of text.matchAll(parameterPattern)) {
    const key = name.toLowerCase();
    const value = quoted === undefined ? token : quoted.replace(/\\(.)/g, "$1");
    if (!parameters.has(key)) parameters.set(key, value);
  }
  return parameters;
}

const families: ReadonlyMap<string, Family> = new Map<string, Family>([
  ["application/json", "json"],
  ["text/json", "json"],
  ["application/x-ndjson", "lines"],
  ["application/ndjson", "lines"],
  ["application/jsonl", "lines"],
  ["application/x-jsonlines", "lines"],
  ["application/jsonlines", "lines"],
  ["application/stream+json", "lines"],
  ["application/json-seq", "records"],
  ["text/event-stream", "events"],
  ["text/html", "html"],
  ["application/xhtml+xml", "html"],
  ["application/xml", "text"],
  ["application/yaml", "text"],
  ["application/x-yaml", "text"],
  ["application/toml", "text"],
  ["application/csv", "text"],
  ["application/javascript", "text"],
  ["application/graphql", "text"],
  ["application/sql", "text"],
  ["application/x-www-form-urlencoded", "text"],
]);

/** RFC 6839 structured suffixes; `image/svg+xml` is text, because no model takes it as an image. */
const suffixes: readonly (readonly [string, Family])[] = [
  ["+json", "json"],
  ["+json-seq", "records"],
  ["+xml", "text"],
  ["+yaml", "text"],
];

function familyOf(essence: string): Family {
  const named = families.get(essence);
  if (named !== undefined) return named;
  for (const [suffix, family] of suffixes) if (essence.endsWith(suffix)) return family;
  if (essence.startsWith("text/")) return "text";
  if (essence.startsWith("image/")) return "image";
  if (essence.startsWith("audio/")) return "audio";
  if (essence.startsWith("multipart/")) return "multipart";
  return "binary";
}
