/** One name and value of a query, decoded. */
export interface Pair {
  readonly name: string;
  readonly value: string;
}

const maxHeader = 8192;
/** RFC 8288 §3: an address, then parameters until the comma before the next one. */
const linkPattern = /<([^<>]*)>((?:\s*;\s*[^\s=;,]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]+))?)*)/g;
const relPattern = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i;

/** The address of `rel=next` in a Link header (RFC 8288). */
export function nextLink(header: string | undefined): string | undefined {
  if (header === undefined || header.length > maxHeader) return undefined;
  for (const [, address, parameters = ""] of header.matchAll(linkPattern)) {
    const [, quoted, bare] = relPattern.exec(parameters) ?? [];
    const relations = (quoted ?? bare ?? "").toLowerCase().split(/\s+/);
    if (relations.includes("next")) return address;
  }
  return undefined;
}

/** The query of an address, as far as it can be decoded. */
export function queryOf(address: string): readonly Pair[] {
  const [, query = ""] = /^[^?#]*\?([^#]*)/.exec(address.slice(0, maxHeader)) ?? [];
  return query.split("&").flatMap((part) => {
    const [name = "", ...rest] = part.split("=");
    const pair = { name: decode(name), value: decode(rest.join("=")) };
    return pair.name === undefined || pair.value === undefined ? [] : [pair as Pair];
  });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
