/** A key of `paths`, split into what goes on the wire as it is and what is filled in. */
export interface PathKey {
  readonly path: string;
  readonly fixedQuery: string;
  readonly variables: readonly PathVariable[];
}

interface PathVariable {
  readonly name: string;
  /** `{+name}` or `{name=users/*}`: slashes in the value are meant (RFC 6570 §3.2.3). */
  readonly reserved: boolean;
}

const variable = /\{(\+?)([^{}=]+)(=[^{}]*)?\}/g;

/** @returns A sentence when no request can be built from the key. */
export function parsePathKey(key: string): PathKey | string {
  if (!key.startsWith("/")) return "the path does not start with a slash";
  const cut = key.indexOf("?");
  const path = cut === -1 ? key : key.slice(0, cut);
  const fixedQuery = cut === -1 ? "" : key.slice(cut + 1);
  if (/[{}]/.test(fixedQuery)) return "the query in the path has a variable";
  const literal = path.replace(variable, "x");
  if (/[{}]/.test(literal)) return "the path has a brace that belongs to no variable";
  if (/[#\\\p{Cc}]/u.test(literal + fixedQuery))
    return "the path has a character that no path can have";
  // What stands between slashes must stay a step down, however it is decoded.
  if (literal.split("/").some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment)))
    return 'the path has a "." or ".." segment';
  if (path.startsWith("//")) return "the path starts with two slashes";
  const variables = [...path.matchAll(variable)].map(([, plus, name = "", pattern]) => ({
    name,
    reserved: plus !== "" || pattern !== undefined,
  }));
  return { path, fixedQuery, variables };
}
